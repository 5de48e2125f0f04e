-- Erasing a chat looks for who read it.

CREATE INDEX chat_reads_by_chat ON chat_reads (workspace_id, chat_id);
