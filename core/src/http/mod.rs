//! The HTTP mux. For now the admin listener and the local control socket.
