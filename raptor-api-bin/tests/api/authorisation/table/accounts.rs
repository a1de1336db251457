//! Settings, accounts, users and roles.

use super::{Row, Takes, own, public, row, takes, there};
use crate::{
    authorisation::{fresh::Fresh, scene::KEYS},
    support::bodies::{self, PASSWORD},
};
use raptor_client::api::types::{
    AccountUpdate, ImagePolicyUpdate, NewPassword, Notices, PasswordChange, PasswordReset, ResetRequest,
    SshKeyDraft,
};
use raptor_core::authz::SystemPermission as S;

pub fn rows() -> Vec<Row> {
    [settings(), account(), users(), roles()].into_iter().flatten().collect()
}

fn settings() -> Vec<Row> {
    vec![
        public("get_settings"),
        public("get_health"),
        public("list_permissions"),
        takes("get_mail_state", "ReadMail", S::SettingsRead),
        takes("list_mails", "ReadMail", S::SettingsRead),
        takes("test_mail", "TestMail", S::SettingsUpdate).or(409),
        takes("list_activity", "ReadActivity", S::ActivityRead),
        takes("get_image_policy", "ReadImagePolicy", S::DaemonsRead),
        takes("update_image_policy", "UpdateImagePolicy", S::ImagesUpdate)
            .json(ImagePolicyUpdate { patterns: Vec::new(), for_owners: false, revision: 0 })
            .or(409),
    ]
}

fn account() -> Vec<Row> {
    let other = || Takes::Other;
    vec![
        public("sign_in").json(bodies::login("alice")),
        public("request_password_reset").json(ResetRequest { login: "alice".into() }).or(409),
        public("reset_password")
            .json(PasswordReset { token: "none".into(), new_password: PASSWORD.into() })
            .or(422),
        own("sign_out").fresh(Fresh::Session).before_password(),
        own("get_account").before_password(),
        own("update_account").json(AccountUpdate::new("{me}", "{me}@example.com")),
        own("change_password")
            .json(PasswordChange { current_password: "wrong".into(), new_password: PASSWORD.into() })
            .or(422)
            .before_password(),
        own("get_notices"),
        own("update_notices").json(Notices { access: true }),
        own("list_sessions"),
        own("end_other_sessions"),
        own("end_session").fresh(Fresh::OtherSession),
        row("end_session", other()).case("of somebody else"),
        own("list_ssh_keys"),
        own("add_ssh_key").json(SshKeyDraft::new(KEYS[0])).or(409),
        own("delete_ssh_key").fresh(Fresh::SshKey),
        row("delete_ssh_key", other()).case("of somebody else"),
        own("list_account_activity"),
    ]
}

fn users() -> Vec<Row> {
    let new = bodies::a_user("n{n}", there("no_rights"));
    let update = bodies::same_user("target", there("no_rights"));
    vec![
        takes("list_users", "ListUsers", S::UsersRead),
        takes("create_user", "CreateUser", S::UsersCreate).json(new),
        takes("get_user", "ReadUser", S::UsersRead),
        takes("update_user", "UpdateUser", S::UsersUpdate).json(update),
        takes("delete_user", "DeleteUser", S::UsersDelete).fresh(Fresh::User),
        takes("set_user_password", "UpdateUser", S::UsersUpdate).json(NewPassword::new(PASSWORD)),
        takes("end_user_sessions", "UpdateUser", S::UsersUpdate),
    ]
}

fn roles() -> Vec<Row> {
    vec![
        takes("list_roles", "ListRoles", S::RolesRead),
        takes("create_role", "CreateRole", S::RolesCreate).json(bodies::a_role("r{n}", &[])),
        takes("get_role", "ReadRole", S::RolesRead),
        takes("update_role", "UpdateRole", S::RolesUpdate).json(bodies::a_role("Target", &[])),
        takes("delete_role", "DeleteRole", S::RolesDelete).fresh(Fresh::Role),
    ]
}
