//! A kubeconfig with one context alone, for a program that is to reach one cluster and no other. Connects to nothing.

use kube::config::Kubeconfig;

use super::call::chain;

/// The text of the user's kubeconfig (`KUBECONFIG`, else `~/.kube/config`) with nothing but this context in it, which is the current one.
///
/// # Errors
/// When it cannot be read, or does not have the context.
pub fn of_context(context: &str) -> Result<String, String> {
    let all = Kubeconfig::read().map_err(|e| chain(&e))?;
    alone(all, context)
}

/// Credentials are in the text: it is written where nobody else may read it.
fn alone(mut all: Kubeconfig, context: &str) -> Result<String, String> {
    all.contexts.retain(|c| c.name == context);
    let found = all.contexts.first().and_then(|c| c.context.as_ref());
    let Some(found) = found.cloned() else {
        return Err(format!("the kubeconfig has no context `{context}`"));
    };
    all.clusters.retain(|c| c.name == found.cluster);
    all.auth_infos
        .retain(|u| Some(&u.name) == found.user.as_ref());
    all.current_context = Some(context.to_owned());
    // JSON is YAML.
    serde_json::to_string(&all).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_context_is_kept_with_its_cluster_and_user() {
        let all = Kubeconfig::from_yaml(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\n\
             contexts:\n- {name: prod, context: {cluster: p, user: admin}}\n- {name: staging, context: {cluster: s, user: tester, namespace: tools}}\n\
             clusters:\n- {name: p, cluster: {server: 'https://p'}}\n- {name: s, cluster: {server: 'https://s'}}\n\
             users:\n- {name: admin, user: {token: of-prod}}\n- {name: tester, user: {token: of-staging}}\n",
        )
        .unwrap();
        let text = alone(all.clone(), "staging").unwrap();
        let read = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("staging"));
        let names = |text: &str| -> Vec<bool> {
            ["https://s", "of-staging", "tools", "https://p", "of-prod"]
                .iter()
                .map(|part| text.contains(part))
                .collect()
        };
        assert_eq!(names(&text), [true, true, true, false, false]);
        let error = alone(all, "other").unwrap_err();
        assert_eq!(error, "the kubeconfig has no context `other`");
    }
}
