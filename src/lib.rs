//! kfleet keeps a fleet of kops-built Kubernetes clusters on AWS equal to a git repository, and changes it in stages.
//!
//! This page is the map; each module's first line says what it is for and what it does not do. Data only moves down:
//!
//! ```text
//!  cli ─ what was typed → calls → output and exit code               clap        only place that prints
//!   │
//!   ├─ fleet    files → Fleet (settings, layers, sources)            serde       no templates, no cloud
//!   ├─ render   Fleet → documents (text + origin)                    minijinja, gotemplate   no files      pure
//!   ├─ toolbox  what `kops toolbox template` makes of its inputs     gotemplate  no files                  pure
//!   ├─ gotemplate  Go's template language with Sprig                 knows nothing of kops                 pure
//!   ├─ kops     document → typed Cluster, InstanceGroup; checks                  no cloud                  pure
//!   ├─ desired  documents → definitions                                          no cloud                  pure
//!   ├─ plan     definitions × live → Plan                                        no cloud, no clock        pure
//!   ├─ adopt    facts, or what kops has → the files of a new fleet               no files                  pure
//!   ├─ impact   two renderings → what a change of git does to every cluster      no cloud, no git          pure
//!   ├─ rollout  Plan → stages, waves, steps; decide(); progress; gates' verdicts   no I/O, no clock          pure
//!   ├─ store    journal, locks, baselines, approvals, stops          folder, or S3 by conditional puts
//!   ├─ cloud    trait; aws/ (only home of the SDK), local/ (the embedded simulated account)
//!   ├─ nodes    trait; kube/ (only home of the client), simulated by the same local world
//!   ├─ engine   trait: what only kops can do; the process, simulated by the same local world
//!   ├─ run      the only loop that acts                              tokio
//!   ├─ report   plan, rollout, event, rehearsal → text, JSON, HTML           no I/O                    pure
//!   ├─ model    names, definitions, live state: the words every stage shares     imports nothing of ours
//!   └─ yaml     text ↔ values with positions                                     imports nothing of ours
//! ```
//!
//! Laws, each with a test in `tests/laws/`:
//!
//! 1. Arrows go only downwards: cli → run → {store, cloud, nodes, engine} → {rollout, impact} → plan → desired → kops → render → {fleet, toolbox} → {model, gotemplate, yaml};
//!    `report` is a leaf that `cli` calls. `cloud`, `nodes`, `tokio` and `async` never appear in the pure modules.
//! 2. Pure functions take `now` as an argument; nothing outside `cli`, `run` and the clouds reads a clock, environment or randomness.
//! 3. Only `cli` prints. Core modules speak in typed events and typed errors.
//! 4. No `utils`, `common`, `helpers`, `manager`. A file over 600 lines or a function over 80 is a missing idea.
//! 5. Anything shown, stored or compared is ordered: same input, same bytes.
//! 6. Preview and act share one path: there is no dry-run flag below `cli`.

pub mod adopt;
pub mod cli;
pub mod cloud;
pub mod desired;
pub mod engine;
pub mod fleet;
pub mod gotemplate;
pub mod impact;
pub mod kops;
pub mod lint;
pub mod model;
pub mod nodes;
pub mod plan;
pub mod render;
pub mod report;
pub mod rollout;
pub mod run;
pub mod store;
pub mod toolbox;
pub mod yaml;
