//! The store's objects in an S3 bucket. The store is synchronous and the SDK is not: a thread with a runtime of its own stands between them,
//! and the renewal of a lease is served while another waits for a slow answer.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedSender;

use crate::cloud::aws::bucket::{Bucket, BucketError};
use crate::cloud::aws::{Calls, Reach};
use crate::model::object::{Condition, Object, Put};
use crate::store::{ObjectError, Objects, Ticks};

/// Objects asked for at the same time.
const AT_ONCE: usize = 16;

type Job = Box<dyn FnOnce(Bucket) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Objects in S3.
#[derive(Debug)]
struct Remote {
    url: String,
    jobs: UnboundedSender<Job>,
    calls: Calls,
}

/// The objects under a URL `s3://bucket/prefix`, reached as the environment says.
///
/// # Errors
/// When it is no such URL.
pub fn objects(url: &str, reach: &Reach) -> Result<Arc<dyn Objects>, String> {
    Ok(Arc::new(Remote::connect(url, reach.clone())?))
}

/// The clock that stands still never: the monotonic one does while a laptop sleeps, and the other one may be set back.
pub fn ticks() -> Ticks {
    let (began, since) = (SystemTime::now(), Instant::now());
    let before = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    Arc::new(move || {
        let passed = began.elapsed().unwrap_or_default().max(since.elapsed());
        i64::try_from((before + passed).as_millis()).unwrap_or(i64::MAX)
    })
}

impl Remote {
    fn connect(url: &str, reach: Reach) -> Result<Remote, String> {
        let (jobs, mut waiting) = tokio::sync::mpsc::unbounded_channel::<Job>();
        let (ready, answer) = mpsc::channel();
        let whole = url.to_owned();
        let calls = Calls::default();
        let counting = calls.clone();
        std::thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime,
                Err(e) => {
                    return drop(ready.send(Err(format!("the async runtime does not start: {e}"))));
                }
            };
            runtime.block_on(async move {
                let bucket = match Bucket::connect(&whole, &reach, &counting).await {
                    Ok(bucket) => bucket,
                    Err(e) => return drop(ready.send(Err(e.to_string()))),
                };
                drop(ready.send(Ok(())));
                while let Some(job) = waiting.recv().await {
                    tokio::spawn(job(bucket.clone()));
                }
            });
        });
        match answer.recv() {
            Ok(Ok(())) => Ok(Remote {
                url: url.trim_end_matches('/').to_owned(),
                jobs,
                calls,
            }),
            Ok(Err(why)) => Err(why),
            Err(_) => Err("its thread has ended".into()),
        }
    }

    fn ask<T, F>(
        &self,
        doing: &'static str,
        key: &str,
        work: impl FnOnce(Bucket) -> F + Send + 'static,
    ) -> Result<T, ObjectError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, BucketError>> + Send + 'static,
    {
        let gone = || ObjectError::NoAnswer {
            doing,
            place: self.place_of(key),
            message: "the connection has ended".into(),
        };
        let (done, answer) = mpsc::channel();
        let job: Job = Box::new(move |bucket| {
            let work = work(bucket);
            // Its caller may not be waiting for it any more.
            Box::pin(async move { drop(done.send(work.await)) })
        });
        self.jobs.send(job).map_err(|_| gone())?;
        // The SDK's own limits end every call; this one is for what they do not see.
        let answer = answer
            .recv_timeout(Duration::from_secs(120))
            .map_err(|_| gone())?;
        answer.map_err(|e| object_error(doing, self.place_of(key), e))
    }

    fn place_of(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }
}

impl Objects for Remote {
    fn place(&self) -> String {
        self.url.clone()
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.all()
    }

    fn get(&self, key: &str) -> Result<Option<Object>, ObjectError> {
        let name = key.to_owned();
        self.ask("read", key, |bucket| async move { bucket.get(&name).await })
    }

    fn put(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Put, ObjectError> {
        let (name, bytes, condition) = (key.to_owned(), bytes.to_vec(), condition.clone());
        self.ask("write", key, |bucket| async move {
            bucket.put(&name, bytes, &condition).await
        })
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let name = key.to_owned();
        self.ask(
            "remove",
            key,
            |bucket| async move { bucket.delete(&name).await },
        )
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        let name = folder.to_owned();
        self.ask("list", folder, |bucket| async move {
            bucket.children(&name).await
        })
    }

    fn list_after(&self, folder: &str, name: &str) -> Result<Vec<String>, ObjectError> {
        let (folder, after) = (folder.to_owned(), name.to_owned());
        self.ask("list", &folder.clone(), |bucket| async move {
            bucket.children_after(&folder, Some(&after)).await
        })
    }

    fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Object>>, ObjectError> {
        let mut all = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let names = some.to_vec();
            let found = self.ask(
                "read",
                some.first().map_or("", String::as_str),
                |bucket| async move {
                    let one = |name: String| {
                        tokio::spawn({
                            let bucket = bucket.clone();
                            async move { bucket.get(&name).await }
                        })
                    };
                    let tasks: Vec<_> = names.into_iter().map(one).collect();
                    let mut found = Vec::with_capacity(tasks.len());
                    for task in tasks {
                        let ended = |e: tokio::task::JoinError| BucketError::NoAnswer {
                            subject: "s3".into(),
                            message: e.to_string(),
                        };
                        found.push(task.await.map_err(ended)??);
                    }
                    Ok(found)
                },
            )?;
            all.extend(found);
        }
        Ok(all)
    }
}

fn object_error(doing: &'static str, place: String, error: BucketError) -> ObjectError {
    match error {
        BucketError::NoBucket(url) => ObjectError::Refused {
            doing,
            place,
            message: format!("`{url}` is no bucket"),
        },
        BucketError::Refused { message, .. } => ObjectError::Refused {
            doing,
            place,
            message,
        },
        BucketError::Credentials { message, .. } => ObjectError::Credentials {
            doing,
            place,
            message,
        },
        BucketError::NoAnswer { message, .. } => ObjectError::NoAnswer {
            doing,
            place,
            message,
        },
    }
}
