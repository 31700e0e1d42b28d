//! The demo's two routes. Its browser code looks only at `code`, so the status is always 200.

use std::sync::Arc;

use poem::http::header;
use poem::web::Data;
use poem::{Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::actor;
use super::error::{mark, retry_after_s};
use crate::domain::error::Error;
use crate::domain::{App, account, counter};

#[derive(Serialize)]
struct Envelope {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

fn envelope(code: i32, message: impl Into<String>, data: Option<String>) -> Response {
    let body = Envelope {
        code,
        message: message.into(),
        data,
    };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body)
}

/// A refusal in the demo's words, with its code in the log all the same.
fn refusal(code: i32, message: impl Into<String>, error: &Error) -> Response {
    let mut response = envelope(code, message, None);
    mark(&mut response, error);
    response
}

/// The refusals both routes share.
fn overload(error: &Error) -> Option<Response> {
    let seconds = retry_after_s(error)?;
    match error {
        Error::TooMany(_) => Some(refusal(
            429,
            format!("尝试次数过多，请在{seconds}秒后再试~"),
            error,
        )),
        Error::Busy | Error::Stopping => Some(refusal(503, "服务器繁忙，请稍后再试~", error)),
        _ => None,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Credentials {
    username: String,
    password: String,
}

/// `POST /api/login`
#[handler]
pub async fn login(app: Data<&Arc<App>>, request: &Request, body: Vec<u8>) -> Response {
    let Credentials { username, password } = serde_json::from_slice(&body).unwrap_or_default();
    if username.is_empty() || password.is_empty() {
        let error = Error::Malformed(String::new());
        return refusal(-200, "输入完整!", &error);
    }
    match account::login(app.0, &username, &password, &actor::device(request)).await {
        Ok(login) => {
            actor::entered(request, &login);
            envelope(200, "登陆成功~", Some(login.token))
        }
        Err(error) => match overload(&error) {
            Some(response) => response,
            None if matches!(error, Error::LoginFailed) => {
                refusal(-200, "用户名或密码错误~", &error)
            }
            None => refusal(503, "服务器出错，请稍后再试~", &error),
        },
    }
}

/// `GET` or `POST /api/insert`
#[handler]
pub async fn insert(app: Data<&Arc<App>>, request: &Request) -> Response {
    let counted = match actor::of(request).await {
        Ok(actor) => counter::increment(app.0, &actor).await,
        Err(error) => Err(error),
    };
    match counted {
        Ok(_) => envelope(200, "添加成功~", None),
        Err(error) => match overload(&error) {
            Some(response) => response,
            None => match error {
                Error::TokenMissing => refusal(-200, "请登录~", &error),
                Error::ReadOnly | Error::Storage(_) => refusal(-200, "添加失败~", &error),
                _ => refusal(401, "请登录在进行操作！", &error),
            },
        },
    }
}
