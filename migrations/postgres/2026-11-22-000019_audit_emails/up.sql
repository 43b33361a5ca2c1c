-- Whose account is deleted, their address is erased wherever others named it.
CREATE INDEX audit_personal_of_email ON audit_personal (email) WHERE email IS NOT NULL;
