ALTER TABLE usage_latency RESET (fillfactor);
ALTER TABLE usage_rollups RESET (fillfactor);
ALTER TABLE quota_used RESET (fillfactor);
ALTER TABLE key_totals RESET (fillfactor);
ALTER TABLE event_streams DROP COLUMN windows_seq;
DROP TABLE saved_windows;
