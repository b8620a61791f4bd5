//! The guard: what the API server refuses, and the marks that make an object ours. Builders only,
//! no client.

mod adoption;
mod cel;
mod changes;
mod claim_fence;
mod confirmation;
mod confirmation_end;
mod confirmed;
mod data_directory;
mod definitions;
mod deletions;
mod drift;
mod fence;
mod gated_host;
mod guard_off;
mod guarded_kinds;
mod job_fence;
mod last_writer;
mod loss_text;
mod manifests;
mod marks;
mod namespace_notes;
mod of_nobody;
pub(crate) mod operations;
mod operator_fence;
mod orphans;
mod other_server;
mod policies;
mod policy;
mod refusal;
mod templates;
mod two_servers;
mod version;
mod workload_marks;

pub use adoption::ADOPTION_POLICY;
pub use changes::{MARKS_POLICY, VOLUME_POLICY};
pub use claim_fence::CLAIM_FENCE_POLICY;
pub use confirmation::{
    Standing, build_confirmation, build_confirmation_for, build_revocation, carries_confirmation,
    change_confirmed, confirm_command, confirmed_by_restore, deletion_confirmed,
    is_confirmed_at_all, is_of_restore, standing,
};
pub use confirmation_end::CONFIRMATION_END_POLICY;
pub use definitions::{
    carries_ended, definition_differs, definition_is_unproven, definition_names, definitions,
    restore_definition,
};
pub use deletions::{DEFINITION_POLICY, DELETION_POLICY};
pub use drift::{Changed, binding_differs, policy_difference, policy_differs};
pub use fence::FENCE_POLICY;
pub use gated_host::GATED_HOST_POLICY;
pub use guard_off::{GUARD_OFF_POLICY, guard_on_command};
pub use guarded_kinds::{DEFINITION_CONSEQUENCE, GUARDED_RESOURCES, GuardedResource};
pub use job_fence::field_of_no_agent;
pub use last_writer::last_other_manager;
pub use loss_text::is_plain_database_name;
pub use manifests::{
    build_claim_manifest, build_database_manifest, build_namespace_manifest, build_volume_manifest,
    with_marks,
};
pub use marks::{
    MarkState, Marks, PROTECTED_VALUE, RETAIN, build_finalizer_removal, build_loss_summary_patch,
    build_mark_patch, build_release_patch, build_retain_patch, build_twin_patch,
    build_unchanged_patch, build_volume_patch, forget_copied_marks, is_held, is_labelled,
    kept_for_namespace, loss_summary, mark_state, marked_owner, noted_namespace,
};
pub use namespace_notes::{
    accepted_namespace, build_acceptance, build_recreation_note, recreation_token,
};
pub use operator_fence::OPERATOR_FENCE_POLICY;
pub use orphans::ORPHANED_WORKLOAD_POLICY;
pub use other_server::OTHER_SERVER_POLICY;
pub use policies::{GUARD_POLICIES, policies};
pub use policy::BoundPolicy;
pub use refusal::REFUSAL;
pub use templates::{OTHER_CLAIM_POLICY, TEMPLATE_POLICY};
pub use two_servers::TWO_SERVERS_POLICY;
pub use version::{is_newer, newer_version};
pub use workload_marks::{
    build_mount_repair_patch, build_workload_patch, build_workload_release, has_guarded_claims,
    is_marked_workload, mount_repair,
};
