DROP TABLE mfa_tokens;
DROP TABLE backup_codes;
DROP TABLE second_factors;
