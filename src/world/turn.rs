//! Whose turn it is to use the storage, where an operator lets only so many backups run at once: what the
//! operator knows of all its databases, for one of them.

/// What one database may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnFact {
    /// How many run at once at most.
    pub at_most: usize,
    /// How many others run or begin.
    pub taken: usize,
    /// Whether one more backup may be begun.
    pub has_room: bool,
    /// Whether one more look at the sets in a bucket may be begun.
    pub may_look: bool,
    /// The place of the backup that asks for its turn, or has it.
    pub place: Option<TurnPlace>,
    /// The databases of the same namespace that run or wait.
    pub neighbours: Vec<String>,
}

/// The place of a backup among those of all databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnPlace {
    /// Whether it is its turn.
    pub is_given: bool,
    /// How many are before it.
    pub ahead: usize,
    /// The databases of the same namespace among them.
    pub ahead_names: Vec<String>,
}
