-- A copy of each recording to listen to, in which identity and card numbers cannot be heard.

ALTER TABLE recording ADD COLUMN copy TEXT NOT NULL DEFAULT '';  -- a digest; empty: to be made; none: cannot be made
CREATE INDEX recording_uncopied ON recording (inbox) WHERE state = 'heard' AND copy = '';
