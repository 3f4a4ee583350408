use std::io::Write;

use flate2::Compression;

use super::*;

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn zlib_gzip_bzip2_and_zstd_are_undone() {
    let data = b"the same bytes, the same bytes";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(data).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(data).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&data[..], ruzstd::encoding::CompressionLevel::Fastest);
    for (method, packed) in [
        ("application/x-gzip", zlib(data)),
        ("gzip", gzip),
        ("zlib", zlib(data)),
        ("application/x-bz2", bzip2.clone()),
        ("bzip2", bzip2),
        ("application/zstd", zstd),
    ] {
        assert_eq!(decompress(method, &packed, 100, "body").unwrap(), data, "{method}");
        let cut = &packed[..packed.len() / 2];
        assert!(matches!(decompress(method, cut, 100, "body"), Err(DecodeError::Decompress { .. })), "{method}");
        assert!(
            matches!(decompress(method, b"garbage!", 100, "body"), Err(DecodeError::Decompress { .. })),
            "{method}"
        );
    }
}

#[test]
fn brotli_is_undone() {
    // "hello" as one short stream.
    let packed = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    assert_eq!(decompress("application/x-brotli", &packed, 100, "body").unwrap(), b"hello");
    assert!(decompress("brotli", b"\xff\xff\xff", 100, "body").is_err());
}

#[test]
fn a_bomb_is_cut_off_at_the_limit() {
    let packed = zlib(&vec![0; 50_000_000]);
    assert!(packed.len() < 100_000);
    let refused = decompress("gzip", &packed, 1000, "body");
    assert_eq!(refused, Err(DecodeError::TooLarge { part: "body", limit: 1000 }));
}

#[test]
fn lzma_is_unsupported_and_says_what_is() {
    let error = decompress("application/x-lzma", b"", 10, "body").unwrap_err();
    assert_eq!(
        error.to_string(),
        "compression `application/x-lzma` is not supported; supported are gzip, bzip2, brotli and zstd"
    );
}
