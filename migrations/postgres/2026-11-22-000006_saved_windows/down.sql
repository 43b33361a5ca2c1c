ALTER TABLE event_streams DROP COLUMN windows_seq;
DROP TABLE saved_windows;
