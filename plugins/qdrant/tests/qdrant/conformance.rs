//! The behaviour of every index: on the stand-in, and on a real server.

mod on_the_standin {
    use std::sync::Arc;

    use consigne_qdrant_standin::Standin;
    use consigne_sdk::VectorIndex;

    use crate::world::open_on;

    async fn open() -> Option<Arc<dyn VectorIndex>> {
        Some(open_on(&Standin::start().await.leave_running()).await)
    }

    consigne_sdk::vector_index_conformance!(open);
}

mod on_a_server {
    use std::sync::Arc;

    use consigne_sdk::VectorIndex;

    use crate::world::{self, server};

    async fn open() -> Option<Arc<dyn VectorIndex>> {
        let Some(settings) = server() else {
            println!("skipped: QDRANT_URL names no server, so this was tried on the stand-in only");
            return None;
        };
        Some(world::open(settings).await.expect("usable settings"))
    }

    consigne_sdk::vector_index_conformance!(open);
}
