DROP TABLE address_hits;
DROP TABLE known_addresses;
DROP TABLE attempts;
