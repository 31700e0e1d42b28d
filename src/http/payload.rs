//! Bodies that are decoded by whoever takes them, because their very bytes matter: a call with the
//! same `Idempotency-Key` is the same only when they are.

use std::marker::PhantomData;

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::error::not_taken;
use crate::domain::error::{self, Error};

/// A JSON body, not decoded yet. Documented as what it is going to be.
pub struct Deferred<T> {
    pub bytes: Vec<u8>,
    will_be: PhantomData<fn() -> T>,
}

impl<T: ParseFromJSON> Deferred<T> {
    /// # Errors
    /// `Malformed`.
    pub fn decode(&self) -> error::Result<T> {
        let malformed = |why: String| Error::Malformed(not_taken(&why));
        let value = serde_json::from_slice(&self.bytes).map_err(|e| malformed(e.to_string()))?;
        T::parse_from_json(Some(value)).map_err(|e| malformed(e.into_message()))
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Deferred<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self {
            bytes: bytes(request, body).await?,
            will_be: PhantomData,
        })
    }
}

/// A body that is text, whatever its `Content-Type` says of it: `curl -d` says it is a form.
pub struct Text(pub Vec<u8>);

impl Text {
    /// # Errors
    /// `Malformed`.
    pub fn decode(&self) -> error::Result<String> {
        let text = String::from_utf8(self.0.clone());
        text.map_err(|_| Error::Malformed("The body is no UTF-8 text.".to_owned()))
    }
}

impl<'a> ApiExtractor<'a> for Text {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let content = ["text/plain", "application/x-www-form-urlencoded", "*/*"];
        let content = content.map(|content_type| MetaMediaType {
            content_type,
            schema: String::schema_ref(),
        });
        Some(MetaRequest {
            description: None,
            content: content.into(),
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(bytes(request, body).await?))
    }
}

async fn bytes(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>> {
    <Vec<u8> as FromRequest>::from_request(request, body).await
}
