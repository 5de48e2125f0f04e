-- The grounds say why sensitive texts may be processed, in chats as well as in corrections.

ALTER TABLE correction_grounds RENAME TO processing_grounds;
