//! The rooms behind the front, and the words for what the front itself refuses.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Limited;
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};

use crate::domain::error::Error;
use crate::domain::{App, Client};
use crate::front::{Body, Outcome, Refusal, Rooms, Tether};
use crate::http::Http;
use crate::http::error::Problem;
use crate::live::Door;

/// The rooms behind the front.
pub struct House {
    pub app: Arc<App>,
    pub http: Http,
    pub door: Door,
}

pub fn client(address: Option<IpAddr>) -> Client {
    address.map_or(Client::Operator, Client::Address)
}

impl Rooms for House {
    async fn body_bytes_max(&self, headers: &HeaderMap, address: Option<IpAddr>) -> usize {
        self.http.body_bytes_max(headers, client(address)).await
    }

    async fn http(&self, request: Request<Bytes>, address: Option<IpAddr>) -> Response<Body> {
        self.http.call(request, client(address)).await.into()
    }

    async fn live(
        &self,
        request: Request<Limited<Incoming>>,
        address: Option<IpAddr>,
        tether: Tether,
    ) -> Response<Body> {
        let cut = Box::new(move || tether.cut());
        match self.door.call(request, client(address), cut).await {
            Ok(response) => response,
            Err(error) => Problem(error).response().into(),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        refused(refusal)
    }

    fn answered(&self, response: &Response<Body>) {
        let code = response.extensions().get::<Outcome>().copied();
        let status = response.status().as_u16();
        self.app.metrics.answered(status, code);
    }
}

pub fn refused(refusal: Refusal) -> Response<Body> {
    let error = match refusal {
        Refusal::Origin => Error::OriginRefused,
        Refusal::TooLarge(max) => Error::TooLarge(max),
        Refusal::TooSlow => Error::TooSlow,
        Refusal::Busy => Error::Busy,
        Refusal::Malformed => Error::Malformed("The request's body broke off.".to_owned()),
        Refusal::Host => {
            Error::Malformed("A request names one host, in one `Host` header.".to_owned())
        }
        Refusal::Stopping => Error::Stopping,
        Refusal::Broken => Error::Storage("a request panicked".into()),
    };
    Problem(error).response().into()
}
