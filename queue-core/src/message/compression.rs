//! Undoes the compressions that kombu knows, within a limit.

use std::io::Read;

use super::error::DecodeError;

/// Decompresses `data`; `method` is kombu's content type or one of its aliases.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] as soon as more than `limit` bytes come out, however small the input.
pub(crate) fn decompress(method: &str, data: &[u8], limit: usize, part: &'static str) -> Result<Vec<u8>, DecodeError> {
    let (name, reader): (&'static str, Box<dyn Read + '_>) = match method {
        "application/x-gzip" | "application/gzip" | "gzip" | "zlib" => ("gzip", gzip(data)),
        "application/x-bz2" | "bzip2" | "bzip" => ("bzip2", Box::new(bzip2::read::MultiBzDecoder::new(data))),
        "application/x-brotli" | "brotli" => ("brotli", Box::new(brotli_decompressor::Decompressor::new(data, 4096))),
        "application/zstd" | "zstd" | "zstandard" => ("zstd", zstd(data, part)?),
        unknown => return Err(DecodeError::UnsupportedCompression(super::text::shorten(unknown, 60))),
    };
    let mut out = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match reader.take(bound).read_to_end(&mut out) {
        Ok(_) if out.len() > limit => Err(DecodeError::TooLarge { part, limit }),
        Ok(_) => Ok(out),
        Err(error) => Err(DecodeError::Decompress { part, method: name, why: error.to_string() }),
    }
}

/// Celery calls a zlib stream gzip; others mean gzip.
fn gzip(data: &[u8]) -> Box<dyn Read + '_> {
    if data.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(data))
    } else {
        Box::new(flate2::read::ZlibDecoder::new(data))
    }
}

fn zstd<'a>(data: &'a [u8], part: &'static str) -> Result<Box<dyn Read + 'a>, DecodeError> {
    match ruzstd::decoding::StreamingDecoder::new(data) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(error) => Err(DecodeError::Decompress { part, method: "zstd", why: error.to_string() }),
    }
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
