//! Reasons of `FilesMatch`.

use super::ReasonDocument;

reasons! { FILES:
    FILES_MATCH = "FilesMatch" on "FilesMatch=True":
        "There is a file for every path in the rows. The message also counts files without a row; \
         they raise no alert.",
        "Nothing to do.";
    FILES_MISSING = "FilesMissing" on "FilesMatch=False":
        "Rows name files that do not exist. The message says how many, which, and on which claim.",
        "If many are missing, see whether the claim has the right volume: `kubectl get pvc`. \
         Restore the files or correct the rows; the next check looks again.";
    FILES_ORPHANED = "FilesOrphaned" on "FilesMatch=False":
        "There are files, but no row names any: as if the database was reset and the files \
         stayed.",
        "Read DataReset first. Do not delete the files: they belong to the rows that may be \
         restored. If the rows were deleted on purpose, delete the files too.";
    FILES_UNREADABLE = "FilesUnreadable" on "FilesMatch=Unknown":
        "Part of the claim could not be read, or is behind a symbolic link, which is not followed. \
         The files there are not known.",
        "Set `runAsUser` and `runAsGroup` of the rule to the owner of the files, or `root` to the \
         directory that the link points to.";
    TOO_MANY_PATHS = "TooManyPaths" on "FilesMatch=Unknown":
        "The query returns more than 5,000,000 paths, the most that are compared.",
        "Split the rule into several, each with a `where` and its own `root`.";
    FILES_NOT_CHECKED = "FilesNotChecked" on "FilesMatch=Unknown":
        "The files have not been compared with the rows yet under the present rules.",
        "Wait for the next check of the data; the files follow it.";
}
