DROP TABLE open_requests;
