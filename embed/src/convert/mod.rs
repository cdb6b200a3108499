//! Python objects to bytes and back, one direction per file.

pub(crate) mod bounds;
pub(crate) mod cookies;
pub(crate) mod joined;
pub(crate) mod json_in;
pub(crate) mod json_out;
pub(crate) mod model_out;
pub(crate) mod model_shape;
pub(crate) mod other_types;
pub(crate) mod parameter;
pub(crate) mod response;
pub(crate) mod response_kind;
