//! Where a message ends, as far as hyper leaves that open (RFC 9112, 6.1 and 6.3).

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Response, StatusCode};

use super::reply::Refusal;

/// Refuses a request with a coding that this proxy would have to take off.
pub(super) fn check_request(headers: &HeaderMap) -> Result<(), Refusal> {
    if is_plain(headers) {
        return Ok(());
    }
    let text = "the only transfer coding that is served is chunked";
    Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "TransferCoding", text).closing())
}

/// Makes sure of an answer's length: of two, the chunks are what was read.
pub(super) fn check_answer<B>(answer: &mut Response<B>) -> Result<(), Refusal> {
    let headers = answer.headers_mut();
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    headers.remove(CONTENT_LENGTH);
    if is_plain(headers) {
        return Ok(());
    }
    let text = "the endpoint answered with a transfer coding other than chunked";
    Err(Refusal::new(
        StatusCode::BAD_GATEWAY,
        "UpstreamCoding",
        text,
    ))
}

/// No coding, or `chunked` alone.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(one), None) => one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(codings: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for coding in codings {
            let value = http::HeaderValue::from_static(coding);
            map.append(TRANSFER_ENCODING, value);
        }
        map
    }

    #[test]
    fn only_chunked_alone_is_served() {
        assert!(check_request(&headers(&[])).is_ok());
        assert!(check_request(&headers(&["Chunked"])).is_ok());
        for other in [&["gzip, chunked"][..], &["gzip", "chunked"], &["identity"]] {
            let refusal = check_request(&headers(other)).unwrap_err();
            assert_eq!(refusal.status, StatusCode::NOT_IMPLEMENTED);
        }
    }

    #[test]
    fn an_answer_has_one_length() {
        let mut answer = Response::new(());
        *answer.headers_mut() = headers(&["chunked"]);
        answer.headers_mut().insert(CONTENT_LENGTH, 7.into());
        assert!(check_answer(&mut answer).is_ok());
        assert!(!answer.headers().contains_key(CONTENT_LENGTH));
        *answer.headers_mut() = headers(&["gzip, chunked"]);
        assert!(check_answer(&mut answer).is_err());
    }
}
