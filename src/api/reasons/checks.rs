//! Reasons for which a check can say nothing.

use super::ReasonDocument;

reasons! { CHECKS:
    DATABASE_NOT_FOUND = "DatabaseNotFound" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "A database in `spec.connection` does not exist, and no good check has ever seen it.",
        "Correct `spec.connection.database` or `additionalDatabases`, or create the database.";
    TABLE_NOT_FOUND = "TableNotFound" on "DataVerified=Unknown":
        "A table in `spec.verification.tables` does not exist, and no good check has ever seen it.",
        "Correct the name, or create the table.";
    NOT_COUNTED = "NotCounted" on "DataVerified=Unknown":
        "A table with a rule could only be estimated within `spec.verification.timeout`; an \
         estimate proves nothing.",
        "Raise `spec.verification.timeout`.";
    IN_RECOVERY = "InRecovery" on "DataVerified=Unknown":
        "The server is a replica or still recovering; a replica proves nothing about the primary.",
        "Wait for the recovery to end, or set `spec.connection.host` to the primary.";
    CONNECTION_FAILED = "ConnectionFailed" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server could not be reached within the time given.",
        "See that Postgres runs and listens on `spec.connection.port`, and that network policies \
         let the agent's pod in.";
    AUTHENTICATION_FAILED = "AuthenticationFailed" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server refused the user name or password.",
        "Correct the Secret that `spec.connection.credentialsSecret` names.";
    SECRET_MISSING = "SecretMissing" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "A Secret, or a key in it, does not exist.",
        "Create it; the message has the command.";
    PERMISSION_DENIED = "PermissionDenied" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The role may not read what it must.",
        "`kubectl holdfast grant-sql NAME -n NAMESPACE` prints the SQL of a role that may read \
         what is needed, and nothing else.";
    ROW_SECURITY = "RowSecurity" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "Row security hides rows from the role, so a count would lie.",
        "Use a role with BYPASSRLS.";
    TOO_MANY_CONNECTIONS = "TooManyConnections" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server has no free connection.",
        "Raise `max_connections` or reserve connections for the role.";
    TLS_FAILED = "TlsFailed" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The connection could not be encrypted as `spec.connection.tls` asks.",
        "Correct the mode or the certificate authority.";
    SERVER_STARTING = "ServerStarting" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server was still starting, or shutting down, when time ran out.",
        "Wait; it is tried again.";
    QUERY_FAILED = "QueryFailed" on "DataVerified=Unknown, FilesMatch=Unknown":
        "A query failed; the message has the server's answer.",
        "See the server's log, and correct the query if it is one of `spec.verification.files`.";
    TIMEOUT = "Timeout" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "It took longer than allowed.",
        "Raise `spec.verification.timeout`, `spec.backup.deadline` or the `timeout` of the rule in \
         `spec.verification.files`.";
    SUPERSEDED = "Superseded" on "DataVerified=Unknown":
        "The container that the check was for is gone; nothing was looked at.",
        "Nothing: the container that runs now has a check of its own.";
    JOB_FAILED = "JobFailed" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The agent's pod ended without a report: it was evicted, killed, or could not start.",
        "`kubectl describe job` and the pod's log say more; it is tried again.";
}
