//! Reasons for which a check can't say anything about the data.

use super::ReasonDocument;

reasons! { CHECKS:
    DATABASE_NOT_FOUND = "DatabaseNotFound" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "A database in `spec.connection` does not exist, and no good check has ever seen it.",
        "Correct `spec.connection.database` or `additionalDatabases`, or create the database.";
    DATABASE_CLOSED = "DatabaseClosed" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown, DatabaseRestore Failed":
        "A database accepts no connections (`ALLOW_CONNECTIONS false`). A restore closes it for the moment \
         in which the restored database takes its name; one that was killed may have left it closed. Its \
         rows are not lost.",
        "If no DatabaseRestore runs, open it: `psql -d postgres -c 'ALTER DATABASE \"NAME\" \
         ALLOW_CONNECTIONS true'`. The next restore of the database opens it, too.";
    TABLE_NOT_FOUND = "TableNotFound" on "DataVerified=Unknown":
        "A table in `spec.verification.tables` does not exist, and no good check has ever seen it.",
        "Correct the name, or create the table.";
    NOT_COUNTED = "NotCounted" on "DataVerified=Unknown":
        "There was not enough time to count a table that has a rule, only to estimate it. An \
         estimate proves nothing.",
        "Raise `spec.verification.timeout`.";
    IN_RECOVERY = "InRecovery" on "DataVerified=Unknown":
        "The server is a replica, or still recovering. A replica proves nothing about the primary.",
        "Wait for the recovery to end, or set `spec.connection.host` to the primary.";
    OTHER_SERVER_ANSWERED = "OtherServerAnswered" on "DataVerified=Unknown":
        "The check asked `spec.connection.host`, and the server of another pod answered, or it is not \
         known whose server it was: after a failover a Service may still lead to the old primary. \
         That says nothing of the pod that was to be checked.",
        "Nothing to do where the next check, which asks the pod at its own address, can say more. If \
         that one fails, let agents reach the pods themselves, or remove `spec.connection.host`.";
    CONNECTION_FAILED = "ConnectionFailed" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server could not be reached within the timeout.",
        "See that Postgres listens on `spec.connection.port`, and that network policies allow \
         connections from the agent's pod.";
    AUTHENTICATION_FAILED = "AuthenticationFailed" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server refused the user name or the password. A volume keeps the passwords that it was \
         made with: another one in the Secret or in `POSTGRES_PASSWORD` changes nothing in the \
         database.",
        "Set the password of the Secret in the database (`ALTER ROLE … PASSWORD`), or write the old \
         one back into the Secret that `spec.connection.credentialsSecret` names. If the role does \
         not exist, `kubectl holdfast grant-sql NAME -n NAMESPACE` prints the SQL for it.";
    PASSWORD_NOT_SENT = "PasswordNotSent" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server asks for the password in clear, and nothing proves that it is the right server: \
         its certificate was not verified. The password was not sent.",
        "Let `pg_hba.conf` ask by `scram-sha-256`, or set `spec.connection.tls` to mode VerifyFull \
         with a `caSecret`.";
    SECRET_MISSING = "SecretMissing" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "A Secret, or a key in it, does not exist, or holds what can't be used.",
        "Create it; the message contains the command.";
    PERMISSION_DENIED = "PermissionDenied" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The role is not allowed to read everything that it must read.",
        "`kubectl holdfast grant-sql NAME -n NAMESPACE` prints the SQL for a role that may.";
    ROW_SECURITY = "RowSecurity" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "Row security hides rows from the role, so a count would be too low.",
        "Use a role with BYPASSRLS.";
    OWNER_CODE = "OwnerCode" on "FilesMatch=Unknown":
        "To run the query of `spec.verification.files` the server would run code as the role of \
         the checks that the owner of a table has written: a function in an index, in extended \
         statistics or in a partition key. The message names it. Nothing was run.",
        "Read the function. If it is harmless, let a superuser own it: `ALTER FUNCTION … OWNER TO \
         postgres`. Otherwise remove the index, or the table from `spec.verification`.";
    SETTINGS_IGNORED = "SettingsIgnored" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server did not apply the settings that protect a check, so nothing was read. A \
         connection pooler drops them.",
        "Set `spec.connection.host` and `port` to Postgres itself, or remove `host`.";
    TOO_MANY_CONNECTIONS = "TooManyConnections" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server has no free connection.",
        "Raise `max_connections`, or reserve connections for the role.";
    TLS_FAILED = "TlsFailed" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The connection could not be encrypted as `spec.connection.tls` requires.",
        "Correct the mode or the certificate authority.";
    SERVER_STARTING = "ServerStarting" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The server was still starting up or shutting down when the timeout ended.",
        "Wait; the check is repeated.";
    QUERY_FAILED = "QueryFailed" on "DataVerified=Unknown, FilesMatch=Unknown":
        "A query failed; the message contains the server's answer.",
        "Read the server's log. If it is a query in `spec.verification.files`, correct it.";
    TIMEOUT = "Timeout" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The timeout ended before the answer was complete.",
        "Raise `spec.verification.timeout`, `spec.backup.deadline`, or the `timeout` of the rule \
         in `spec.verification.files`.";
    SUPERSEDED = "Superseded" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The container that this check was for no longer runs, so nothing was checked.",
        "Nothing to do: the container that runs now has its own check.";
    JOB_FAILED = "JobFailed" on "DataVerified=Unknown, BackupFresh=False, FilesMatch=Unknown":
        "The agent's pod ended without a report: it was evicted, killed, or could not start.",
        "`kubectl describe job` says why. The check is repeated.";
    AGENT_NOT_STARTED = "AgentNotStarted" on "DataVerified=Unknown, BackupFresh=False, \
        FilesMatch=Unknown":
        "The API server refuses the agent's Job, or its pod is not created, not scheduled, or its \
         containers can't start. The message quotes Kubernetes. A Job whose agent has not begun within 5 minutes is deleted and tried \
         again.",
        "Correct what the message names: a quota, a policy, a taint, an image. `kubectl holdfast check \
         -n NAMESPACE` says at once whether an agent's pod would be admitted.";
}
