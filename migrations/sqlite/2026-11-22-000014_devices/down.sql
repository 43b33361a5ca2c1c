DROP TABLE device_guesses;
DROP TABLE devices;
