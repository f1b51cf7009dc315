//! The two machines, tested whole: every state against every command, and sequences of commands against the invariants.
//!
//! Role: `eyes` tells the stories of approvals and emergencies; `tables` keeps a readable snapshot of what each command does in each state; `sequences` lets chance act and
//! checks what must always hold; `world` is the small world both act in.
//! Failure story: a changed cell shows up as a changed line of the snapshot, to be reviewed as a change of behaviour.

mod eyes;
mod sequences;
mod tables;
mod world;
