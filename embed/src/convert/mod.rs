//! Python objects to bytes and back, one direction per file.

pub(crate) mod json_in;
pub(crate) mod json_out;
pub(crate) mod other_types;
pub(crate) mod parameter;
pub(crate) mod response;
