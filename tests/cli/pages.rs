//! HTML pages of plans and rollouts, through the binary.

use crate::bed::Bed;

#[test]
fn a_plan_and_its_rollout_are_pages() {
    let bed = Bed::with_new_image();
    let page = bed.path("plan.html");
    let text = bed.run(&format!("plan --html {}", page.display())).ends(2);
    assert!(text.out.contains("[local] plan "), "{}", text.out);
    let printed = bed.run("plan --format html").ends(2).out;
    assert_eq!(bed.read("plan.html"), printed);
    for part in [
        "<p>5 clusters change</p>",
        "<a href=\"#change-1\" class=\"tile t-replace\"",
        "<span>eu-west-3a</span> 1, 1 go",
        "every instance has a Ready node",
    ] {
        assert!(printed.contains(part), "no {part} in\n{printed}");
    }
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let shown = bed.run("rollout show --format html").ends(0).out;
    for part in [
        "<p>finished after ",
        "<b>stage prod</b>",
        "<i class=\"p-bakes\"",
        "<i class=\"p-soaks\"",
        "canary of control-plane-eu-west-3a.masters",
        "instances in service, as wanted",
    ] {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
}

#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    let bed = Bed::new();
    bed.run("rollout show --format html")
        .refuses(&["there was no rollout yet"]);
    bed.run("plan --html nowhere/plan.html")
        .refuses(&["cannot write nowhere/plan.html"]);
}
