//! What a restored database gets beside its rows: owner, permissions, settings, connection limit and comment,
//! from the database in its place or else from the manifest.

use crate::postgres::{
    DESCRIBED_TEXT_LIMIT, DatabaseDescription, DatabaseSetting, PostgresError, Writer,
    quote_identifier,
};
use crate::wording::quoted;

use super::restore_facts::{Properties, fetch_properties};
use super::restore_settings::{Grant, build_grants, build_setting, read_grants};

/// A database that takes its name.
#[derive(Clone, Debug)]
pub struct SwapTarget<'a> {
    pub name: &'a str,
    pub restored_as: &'a str,
    pub kept_as: &'a str,
    /// Object id of the restored one.
    pub restored: i64,
    /// Object id of the one in its place, and whether it was open before.
    pub present: Option<(i64, bool)>,
    /// Object id of one that was renamed before.
    pub kept: Option<i64>,
    pub description: Option<&'a DatabaseDescription>,
}

/// What is done to the restored database in the transaction of the swap.
#[derive(Debug)]
pub struct Carried {
    pub statements: Vec<String>,
    pub comment: Option<String>,
}

/// Prepares what hangs on the object id of the present database, or on that in the manifest, and tries
/// each of it: what fails here would fail while clients wait.
pub async fn carry_over(
    writer: &Writer,
    target: &SwapTarget<'_>,
    warnings: &mut Vec<String>,
) -> Result<Carried, PostgresError> {
    let live = target.present.map(|(oid, _)| oid).or(target.kept);
    let properties = if let Some(oid) = live {
        fetch_properties(writer, oid, target.name).await?
    } else {
        warnings.extend(cut_short(target));
        described(target.description)
    };
    let restored = quote_identifier(target.restored_as);
    let mut asked = Vec::new();
    for setting in &properties.settings {
        match build_setting(target.restored_as, setting) {
            Some(statement) => asked.push(statement),
            None => warnings.push(format!(
                "the setting {} of database {} is not in the set, because it may be secret or is very long. Set it again: \
                 `ALTER DATABASE … SET …`",
                quoted(&setting.name, 80),
                quoted(target.name, 80)
            )),
        }
    }
    asked.push(format!(
        "alter database {restored} connection limit {}",
        properties.connection_limit
    ));
    if properties.owner.is_empty() {
        asked.push(format!(
            "grant connect, temporary on database {restored} to public"
        ));
    } else {
        asked.push(format!(
            "alter database {restored} owner to {}",
            quote_identifier(&properties.owner)
        ));
        asked.extend(build_grants(
            target.restored_as,
            &properties.owner,
            &properties.grants,
        ));
    }
    let others = properties
        .grants
        .iter()
        .any(|grant| grant.grantor != properties.owner);
    if others {
        warnings.push(format!(
            "permissions on database {} that others than its owner have given are now given by the owner",
            quoted(target.name, 80)
        ));
    }
    let mut statements = Vec::new();
    writer.run("begin").await?;
    for statement in asked {
        writer.run("savepoint one").await?;
        match writer.run(&statement).await {
            Ok(_) => statements.push(statement),
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            Err(error) => {
                writer.run("rollback to savepoint one").await?;
                warnings.push(format!(
                    "this could not be carried over to database {}: {error}",
                    quoted(target.name, 80)
                ));
            }
        }
    }
    writer.run("rollback").await?;
    Ok(Carried {
        statements,
        comment: properties.comment,
    })
}

/// What the manifest says of a database that is not there any more.
fn described(description: Option<&DatabaseDescription>) -> Properties {
    let Some(of) = description else {
        return Properties {
            connection_limit: -1,
            ..Properties::default()
        };
    };
    let grants = match &of.acl {
        // In part it could take something from others than it gives it to: only the owner gets in.
        Some(acl) if !is_whole(acl) => Vec::new(),
        Some(acl) => read_grants(acl),
        None => default_grants(&of.owner),
    };
    Properties {
        owner: of.owner.clone(),
        connection_limit: of.connection_limit,
        grants,
        settings: of.settings.iter().map(whole_setting).collect(),
        comment: of.comment.clone(),
    }
}

/// Whether the permissions of a manifest are all of them.
fn is_whole(acl: &str) -> bool {
    acl.ends_with('}')
}

/// What of the permissions is not in the set.
fn cut_short(target: &SwapTarget<'_>) -> Option<String> {
    let acl = target.description?.acl.as_deref()?;
    (!is_whole(acl)).then(|| {
        format!(
            "the permissions of database {} are not in the set as a whole, because they are very long. Only its \
             owner can connect to it: `GRANT CONNECT ON DATABASE … TO …`",
            quoted(target.name, 80)
        )
    })
}

/// A setting without a value that was cut.
fn whole_setting(setting: &DatabaseSetting) -> DatabaseSetting {
    let value = setting.value.as_ref();
    DatabaseSetting {
        value: value
            .filter(|value| value.chars().count() < DESCRIBED_TEXT_LIMIT)
            .cloned(),
        ..setting.clone()
    }
}

/// What a database has to which nobody has given or taken anything.
fn default_grants(owner: &str) -> Vec<Grant> {
    let public = [(None, "temporary"), (None, "connect")];
    let own = ["create", "temporary", "connect"].map(|privilege| (Some(owner), privilege));
    public
        .into_iter()
        .chain(own)
        .map(|(grantee, privilege)| Grant {
            grantor: owner.to_owned(),
            grantee: grantee.map(ToOwned::to_owned),
            privilege: privilege.to_owned(),
            grantable: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_not_carried_over() {
        let long = "x".repeat(DESCRIBED_TEXT_LIMIT);
        let setting = |value: &str| DatabaseSetting {
            role: None,
            name: "search_path".to_owned(),
            value: Some(value.to_owned()),
        };
        let mut description = DatabaseDescription {
            owner: "keeper".to_owned(),
            acl: Some("{keeper=CTc/keeper,reader=c/keeper}".to_owned()),
            settings: vec![setting("app"), setting(&long)],
            ..DatabaseDescription::default()
        };
        let values = |of: &DatabaseDescription| -> Vec<Option<String>> {
            let settings = described(Some(of)).settings;
            settings.into_iter().map(|one| one.value).collect()
        };
        assert_eq!(values(&description), [Some("app".to_owned()), None]);
        assert_eq!(described(Some(&description)).grants.len(), 4);
        description.acl = Some("{keeper=CTc/keeper,rea".to_owned());
        assert_eq!(described(Some(&description)).grants, []);
        let target = SwapTarget {
            name: "shop",
            restored_as: "r",
            kept_as: "k",
            restored: 2,
            present: None,
            kept: None,
            description: Some(&description),
        };
        assert!(cut_short(&target).is_some_and(|said| said.contains("as a whole")));
    }
}
