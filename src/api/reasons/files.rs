//! Reasons of `FilesMatch`.

use super::ReasonDocument;

reasons! { FILES:
    FILES_MATCH = "FilesMatch" on "FilesMatch=True":
        "Every path that rows name has a file. Files that no row names are told beside, and are no \
         alarm.",
        "Nothing to do.";
    FILES_MISSING = "FilesMissing" on "FilesMatch=False":
        "Rows name files that are not there; the message says how many, which and on which claim.",
        "If many are missing, see whether the claim still has the volume with your files. Put the \
         files back, or correct the rows; the next check looks again.";
    FILES_ORPHANED = "FilesOrphaned" on "FilesMatch=False":
        "There are files, and no row names one: as if the database had been reset and the files \
         had stayed.",
        "See what DataReset says. Do not clean up the files: they belong to the rows that come \
         back. If the rows were removed on purpose, remove the files too.";
    FILES_UNREADABLE = "FilesUnreadable" on "FilesMatch=Unknown":
        "Part of the claim could not be looked at, or lies behind a symbolic link, which is not \
         followed: a file that was not seen may be there.",
        "Set `runAsUser` and `runAsGroup` of the rule to the owner of the files, or `root` to the \
         folder that the link leads to.";
    TOO_MANY_PATHS = "TooManyPaths" on "FilesMatch=Unknown":
        "The query returns more than 5,000,000 paths, which is more than is compared.",
        "Split the rule: several queries, each with a `where` and the folder that its paths are \
         in.";
    FILES_NOT_CHECKED = "FilesNotChecked" on "FilesMatch=Unknown":
        "The files that rows name have not been looked for yet, for the rules as they are now.",
        "Wait; it follows the next check that can say something about the data.";
}
