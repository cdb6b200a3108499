//! What looking at the front of a buffer gives.

/// The outcome of one look at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// One whole message part is there; the first `used` bytes belong to it.
    Complete {
        /// What was found.
        value: T,
        /// How many bytes it took.
        used: usize,
    },
    /// Nothing is wrong so far; call again with the same bytes and more behind them.
    Incomplete,
}
