//! Daemons and what they have, templates and the catalogue.

use super::{Row, takes, there};
use crate::{
    authorisation::{fresh::Fresh, scene::egg},
    support::bodies,
};
use raptor_client::api::types::{
    Adoption, AllocationUpdate, CatalogueConfirmation, CatalogueOriginUpdate, DaemonDraft, ImageCleaning,
    MaintenanceUpdate, RegistryDraft, RevisionAddress, TemplateAddress, TemplateImport,
};
use raptor_core::authz::SystemPermission as S;

pub fn rows() -> Vec<Row> {
    [daemons(), strays(), allocations(), templates(), sources(), catalogue()].into_iter().flatten().collect()
}

fn daemons() -> Vec<Row> {
    let draft = |name: &str| {
        let draft = DaemonDraft::new(name, format!("{name}.example.com"), 8080);
        DaemonDraft { tls: Some(false), ..draft }
    };
    let login =
        RegistryDraft { host: "images.example.com".into(), username: "a".into(), password: "b".into() };
    vec![
        takes("list_daemons", "ListDaemons", S::DaemonsRead),
        takes("create_daemon", "CreateDaemon", S::DaemonsCreate).json(draft("d{n}")),
        takes("get_daemon", "ReadDaemon", S::DaemonsRead),
        takes("update_daemon", "UpdateDaemon", S::DaemonsUpdate).json(draft("idle")),
        takes("delete_daemon", "DeleteDaemon", S::DaemonsDelete).fresh(Fresh::Daemon),
        takes("renew_daemon_key", "UpdateDaemon", S::DaemonsUpdate),
        takes("set_daemon_maintenance", "MaintainDaemon", S::DaemonsUpdate)
            .json(MaintenanceUpdate::default()),
        takes("clean_daemon_images", "MaintainDaemon", S::DaemonsUpdate)
            .json(ImageCleaning { unused_days: 30 })
            .or(503),
        takes("get_daemon_stats_history", "ReadDaemon", S::DaemonsRead).daemon("one").query("range=hour"),
        takes("list_registries", "ListRegistries", S::DaemonsRead),
        takes("save_registry", "SaveRegistry", S::DaemonsUpdate).json(login),
        takes("delete_registry", "DeleteRegistry", S::DaemonsUpdate).fresh(Fresh::Registry),
    ]
}

fn strays() -> Vec<Row> {
    let rows = [
        takes("list_unknown_containers", "ListStrays", S::DaemonsRead),
        takes("adopt_unknown_container", "AdoptStray", S::ContainersCreate)
            .json(Adoption { owner_id: Some(there("alice")), template_id: there("game") })
            .fresh(Fresh::Stray),
        takes("stop_unknown_container", "StopStray", S::ContainersControl).fresh(Fresh::Stray).or(409),
        takes("delete_unknown_container", "DeleteStray", S::ContainersDelete).fresh(Fresh::Stray),
    ];
    rows.map(|row| row.daemon("lost")).into()
}

fn allocations() -> Vec<Row> {
    vec![
        takes("list_allocations", "ListAllocations", S::AllocationsRead),
        takes("create_allocations", "CreateAllocations", S::AllocationsCreate)
            .json(bodies::allocations("192.0.2.7", 40_000)),
        takes("update_allocation", "UpdateAllocation", S::AllocationsUpdate)
            .json(AllocationUpdate { note: Some("x".into()), ..AllocationUpdate::default() }),
        takes("delete_allocation", "DeleteAllocation", S::AllocationsDelete).fresh(Fresh::Allocation),
    ]
}

fn templates() -> Vec<Row> {
    vec![
        takes("list_templates", "ListTemplates", S::TemplatesRead),
        takes("get_template", "ReadTemplate", S::TemplatesRead),
        takes("list_template_revisions", "ReadTemplate", S::TemplatesRead),
        takes("get_template_revision", "ReadTemplate", S::TemplatesRead),
        takes("export_template", "ReadTemplate", S::TemplatesRead),
        takes("delete_template", "DeleteTemplate", S::TemplatesDelete).fresh(Fresh::Template),
        takes("import_template", "ImportTemplate", S::TemplatesCreate).bytes(egg("Imported", "./run")),
        takes("import_template", "ImportTemplate", S::TemplatesCreate)
            .also(S::TemplatesUpdate)
            .case("over another version")
            .query("on_existing=update")
            .bytes(egg("Imported over", "./run {n}")),
        takes("preview_template", "ImportTemplate", S::TemplatesCreate).bytes(egg("Shown", "./run")),
        takes("preview_template", "UpdateTemplate", S::TemplatesUpdate)
            .case("beside the one that is here")
            .query("template_id={template}")
            .bytes(egg("Shown", "./run")),
        takes("revise_template", "UpdateTemplate", S::TemplatesUpdate).bytes(egg("Web", "./run")),
    ]
}

fn sources() -> Vec<Row> {
    let address = TemplateAddress { url: Some("{url}".into()), ..TemplateAddress::default() };
    vec![
        takes("import_template_from_url", "ImportTemplate", S::TemplatesCreate)
            .json(TemplateImport::new("{url}")),
        takes("preview_template_from_url", "ImportTemplate", S::TemplatesCreate).json(address.clone()),
        takes("preview_template_from_url", "UpdateTemplate", S::TemplatesUpdate)
            .case("beside the one that is here")
            .json(TemplateAddress { template_id: Some(there("template")), ..address }),
        takes("revise_template_from_url", "UpdateTemplate", S::TemplatesUpdate)
            .json(RevisionAddress { url: Some("{url}".into()), ..RevisionAddress::default() }),
        takes("check_template_source", "UpdateTemplate", S::TemplatesUpdate).or(409),
    ]
}

fn catalogue() -> Vec<Row> {
    vec![
        takes("list_catalogue", "ListTemplates", S::TemplatesRead),
        takes("get_catalogue_entry", "ListTemplates", S::TemplatesRead),
        takes("fetch_catalogue_entry", "ImportTemplate", S::TemplatesCreate),
        takes("import_catalogue_entry", "ImportTemplate", S::TemplatesCreate)
            .also(S::TemplatesRead)
            .case("that is here already")
            .json(CatalogueConfirmation::default()),
        takes("import_catalogue_entry", "ImportTemplate", S::TemplatesCreate)
            .also(S::TemplatesUpdate)
            .case("over another version")
            .json(CatalogueConfirmation { sha256: Some("{entry_sha256}".into()) })
            .fresh(Fresh::EditedEntry),
        takes("get_catalogue_origin", "ReadCatalogueSource", S::SettingsRead),
        takes("update_catalogue_origin", "UpdateCatalogueSource", S::SettingsUpdate)
            .json(CatalogueOriginUpdate::new(1))
            .or(409),
        takes("refresh_catalogue", "UpdateCatalogueSource", S::SettingsUpdate).or(409),
    ]
}
