//! The guard: what the API server refuses, and the marks that make an object ours. Builders only,
//! no client.

mod cel;
mod changes;
mod confirmation;
mod definitions;
mod deletions;
mod drift;
mod fence;
mod gated_host;
mod guarded_kinds;
mod handles;
mod last_writer;
mod manifests;
mod marks;
pub(crate) mod operations;
mod policies;
mod policy;
mod refusal;
mod templates;
mod two_servers;
mod unsupported_fields;

pub use changes::{MARKS_POLICY, VOLUME_POLICY};
pub use confirmation::{build_confirmation, build_confirmation_for, build_revocation};
pub use definitions::{definition_differs, definition_names, definitions, restore_definition};
pub use deletions::{DEFINITION_POLICY, DELETION_POLICY};
pub use drift::{Changed, policy_difference};
pub use fence::FENCE_POLICY;
pub use gated_host::GATED_HOST_POLICY;
pub use guarded_kinds::{DEFINITION_CONSEQUENCE, GUARDED_RESOURCES, GuardedResource};
pub use handles::volume_handle;
pub use last_writer::last_other_manager;
pub use manifests::{
    build_claim_manifest, build_database_manifest, build_namespace_manifest, build_volume_manifest,
    with_marks,
};
pub use marks::{
    MarkState, Marks, PROTECTED_VALUE, RETAIN, build_finalizer_removal, build_loss_summary_patch,
    build_mark_patch, build_mount_repair_patch, build_release_patch, build_retain_patch,
    build_unchanged_patch, build_volume_patch, deletion_confirmed, is_held, is_labelled,
    loss_summary, mark_state, marked_owner, mount_repair,
};
pub use policies::{GUARD_POLICIES, policies};
pub use policy::BoundPolicy;
pub use refusal::REFUSAL;
pub use templates::{OTHER_CLAIM_POLICY, TEMPLATE_POLICY};
pub use two_servers::TWO_SERVERS_POLICY;
pub use unsupported_fields::UNSUPPORTED_FIELDS_POLICY;
