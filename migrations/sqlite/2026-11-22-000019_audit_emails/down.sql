DROP INDEX audit_personal_of_email;
