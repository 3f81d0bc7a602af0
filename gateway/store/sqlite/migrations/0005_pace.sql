-- An account that may send only so fast is asked for its due rows alone, a person's replies first.
CREATE INDEX outbox_paced ON outbox (destination, (kind = 'human') DESC, next_at, id)
    WHERE state = 'waiting' AND next_at IS NOT NULL;
