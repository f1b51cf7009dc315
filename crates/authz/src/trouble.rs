//! What is wrong with a policy, said so that its writer can mend it.
//!
//! Role: one line for each mistake: where, which policy, what, and the remedy. Failure story: this is it.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The file, or what stands for it.
    pub file: String,
    /// Counted from one; zero: the whole file.
    pub line: usize,
    /// The policy, once it has an id.
    pub policy: Option<String>,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(policy) = &self.policy {
            write!(f, ": policy '{policy}'")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Every mistake at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubles(pub Vec<Trouble>);

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policies cannot be used:")?;
        for trouble in &self.0 {
            write!(f, "\n  {trouble}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Troubles {}
