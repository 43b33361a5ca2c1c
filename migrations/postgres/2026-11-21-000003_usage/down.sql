DROP TABLE key_totals;
DROP TABLE usage_latency;
DROP TABLE usage_rollups;
DROP TABLE quota_used;
DROP TABLE usage_events;
DROP TABLE event_streams;
