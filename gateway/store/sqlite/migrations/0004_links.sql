-- Complaints that are to be compared with others: whether they repeat one or belong to an incident. `numbers` are the order
-- and tracking numbers: a complaint is looked at again when they, its contacts or its category have changed.

ALTER TABLE record ADD COLUMN numbers TEXT NOT NULL DEFAULT '';
ALTER TABLE record ADD COLUMN to_link INTEGER NOT NULL DEFAULT 0;
CREATE INDEX record_to_link ON record (n) WHERE to_link = 1;
