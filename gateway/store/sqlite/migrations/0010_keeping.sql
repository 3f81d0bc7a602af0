-- works with programs from: 1
-- Conversations that ended, for those that ended long ago; and those that go on with a record.
CREATE INDEX conversation_ended ON conversation (active_at)
    WHERE erased_at IS NULL AND (record IS NULL OR status IN ('resolved', 'closed', 'withdrawn'));
CREATE INDEX conversation_record ON conversation (record) WHERE record IS NOT NULL;
