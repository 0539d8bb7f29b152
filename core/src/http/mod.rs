//! The HTTP mux. For now the admin listener (probes and metrics for anybody who reaches it) and the local control
//! socket (whoever may open it is admin). The TAK API's listeners arrive with the identity issue.
pub mod admin;
pub mod local;
pub mod answer;
pub mod body;
pub mod mux;
