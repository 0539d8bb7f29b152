//! One client: reader, outbound queue, writer, liveness, replay, why it left.
