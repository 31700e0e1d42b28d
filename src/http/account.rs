//! Accounts over HTTP: setup, registration, login, the own account, and administration.

use std::sync::Arc;

use poem::Request;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::actor::{self, Caller};
use super::error::Problem;
use super::{DateTime, Empty, Tag};
use crate::domain::App;
use crate::domain::account::{self, Account, Role, User};
use crate::domain::session::Login;

pub struct AccountApi;

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct SetupRequest {
    /// What stands after `#` in the setup link.
    token: String,
    /// 2 to 64 letters or digits of any script, `.`, `_`, `-`.
    username: String,
    /// 8 to 1,024 bytes.
    password: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct PasswordChange {
    current: String,
    /// 8 to 1,024 bytes.
    new: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewPassword {
    /// 8 to 1,024 bytes.
    password: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewAccount {
    /// 2 to 64 letters or digits of any script, `.`, `_`, `-`.
    username: String,
    /// 8 to 1,024 bytes.
    password: String,
    role: RoleName,
}

#[derive(Enum, Clone, Copy)]
#[oai(rename = "Role", rename_all = "lowercase")]
enum RoleName {
    Member,
    Admin,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// A member.
#[derive(Object)]
#[oai(rename = "User")]
struct UserBody {
    id: String,
    name: String,
    role: RoleName,
    /// The counter.
    age: u64,
    /// When the counter last changed.
    update_date: Option<DateTime>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            role: user.role.into(),
            age: user.age,
            update_date: user.update_date.map(DateTime),
        }
    }
}

#[derive(Object)]
#[oai(rename = "Login")]
struct LoginBody {
    /// For `Authorization: Bearer`, and for a socket's `auth.token`.
    token: String,
    expires_at: DateTime,
    user: UserBody,
}

impl From<Login> for LoginBody {
    fn from(login: Login) -> Self {
        Self {
            token: login.token,
            expires_at: DateTime(login.expires_at),
            user: login.user.into(),
        }
    }
}

/// An account, as administrators see it.
#[derive(Object)]
#[oai(rename = "Account")]
pub struct AccountBody {
    id: String,
    name: String,
    role: RoleName,
    disabled: bool,
    created_at: DateTime,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id().to_string(),
            name: account.name.to_string(),
            role: account.role.into(),
            disabled: account.disabled,
            created_at: DateTime(account.created_at),
        }
    }
}

#[derive(Object)]
struct Accounts {
    items: Vec<AccountBody>,
}

type Reply<T> = Result<Json<T>, Problem>;

#[OpenApi(prefix_path = "/", tag = "Tag::Account")]
impl AccountApi {
    /// Make the first administrator
    ///
    /// With the token of the setup link that the server prints while there is no administrator.
    #[oai(path = "/setup", method = "post", operation_id = "setup")]
    async fn setup(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        body: Json<SetupRequest>,
    ) -> Reply<LoginBody> {
        let device = actor::device(request);
        let login = crate::domain::setup::accept(
            app.0,
            &body.token,
            &body.username,
            &body.password,
            &device,
        )
        .await?;
        actor::entered(request, &login);
        Ok(Json(login.into()))
    }

    /// Make an own account
    ///
    /// Where the operator opened registration; `GET /server` tells.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        body: Json<Credentials>,
    ) -> Reply<LoginBody> {
        let device = actor::device(request);
        let login = account::register(app.0, &body.username, &body.password, &device).await?;
        actor::entered(request, &login);
        Ok(Json(login.into()))
    }

    /// Log in
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        body: Json<Credentials>,
    ) -> Reply<LoginBody> {
        let device = actor::device(request);
        let login = account::login(app.0, &body.username, &body.password, &device).await?;
        actor::entered(request, &login);
        Ok(Json(login.into()))
    }

    /// Who am I
    #[oai(path = "/me", method = "get", operation_id = "me")]
    async fn me(&self, app: Data<&Arc<App>>, caller: Caller) -> Reply<UserBody> {
        Ok(Json(account::me(app.0, &caller.0).await?.into()))
    }

    /// Change the own password
    ///
    /// Ends the member's other sessions.
    #[oai(
        path = "/me/password",
        method = "post",
        operation_id = "change_password"
    )]
    async fn change_password(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        caller: Caller,
        body: Json<PasswordChange>,
    ) -> Reply<Empty> {
        let client = actor::client(request);
        account::change_password(app.0, &caller.0, &body.current, &body.new, client).await?;
        Ok(Json(Empty {}))
    }

    /// List accounts
    ///
    /// By name. For administrators, as all of `/accounts`.
    #[oai(path = "/accounts", method = "get", operation_id = "accounts")]
    async fn list(&self, app: Data<&Arc<App>>, caller: Caller) -> Reply<Accounts> {
        let accounts = account::list(app.0, &caller.0).await?;
        Ok(Json(Accounts {
            items: accounts.into_iter().map(Into::into).collect(),
        }))
    }

    /// Add an account
    #[oai(path = "/accounts", method = "post", operation_id = "add_account")]
    async fn add(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<NewAccount>,
    ) -> Reply<AccountBody> {
        let role = body.role.into();
        let account = account::add(app.0, &caller.0, &body.username, &body.password, role).await?;
        Ok(Json(account.into()))
    }

    /// Set an account's password
    ///
    /// Ends all its sessions.
    #[oai(
        path = "/accounts/:name/password",
        method = "post",
        operation_id = "set_password"
    )]
    async fn set_password(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        name: Path<String>,
        body: Json<NewPassword>,
    ) -> Reply<Empty> {
        account::set_password(app.0, &caller.0, &name, &body.password).await?;
        Ok(Json(Empty {}))
    }

    /// Disable an account
    ///
    /// It cannot log in, and its sessions end at once. Nothing of it is lost.
    #[oai(
        path = "/accounts/:name/disable",
        method = "post",
        operation_id = "disable_account"
    )]
    async fn disable(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        name: Path<String>,
    ) -> Reply<Empty> {
        account::disable(app.0, &caller.0, &name).await?;
        Ok(Json(Empty {}))
    }

    /// Enable an account
    #[oai(
        path = "/accounts/:name/enable",
        method = "post",
        operation_id = "enable_account"
    )]
    async fn enable(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        name: Path<String>,
    ) -> Reply<Empty> {
        account::enable(app.0, &caller.0, &name).await?;
        Ok(Json(Empty {}))
    }

    /// Remove an account
    ///
    /// With its sessions and its counter.
    #[oai(
        path = "/accounts/:name",
        method = "delete",
        operation_id = "remove_account"
    )]
    async fn remove(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        name: Path<String>,
    ) -> Reply<Empty> {
        account::remove(app.0, &caller.0, &name).await?;
        Ok(Json(Empty {}))
    }
}
