/* pack_test.c - the bytes of packs, without files. */
#include "base/test.h"
#include "pack.h"

TEST(pack_headers_round_trip)
{
    uint8_t page[PACK_PAGE];
    struct pack_head h = {.number = 0x0102030405060708,
                          .salt = 42,
                          .created = 1700000000,
                          .kind = PACK_LARGE,
                          .cls = BODY_MAIL,
                          .content = 1234567,
                          .prefix = 300,
                          .table_sum = 0xdeadbeef},
                     got;
    pack_head_put(&h, page);
    CHECK(!memcmp(page, "TRAMPACK\2\1\1\0", 12));
    CHECK_INT(page[16], 8); /* little-endian */
    CHECK_OK(pack_head_get(&got, page, sizeof page));
    CHECK(got.number == h.number && got.salt == 42 && got.created == h.created && got.kind == PACK_LARGE);
    CHECK(got.cls == BODY_MAIL && got.content == 1234567 && got.prefix == 300 && got.table_sum == 0xdeadbeef);
    page[17] ^= 1;
    CHECK_OK(pack_head_get(&got, page, sizeof page)); /* from the second copy */
    CHECK_ERR(pack_head_get(&got, page, PACK_COPY), ERR_CORRUPT);
    page[PACK_COPY + 17] ^= 1;
    CHECK_ERR(pack_head_get(&got, page, sizeof page), ERR_CORRUPT);
    memset(page, 0, sizeof page);
    CHECK_ERR(pack_head_get(&got, page, sizeof page), ERR_CORRUPT);
    CHECK_ERR(pack_head_get(&got, page, 0), ERR_CORRUPT);
}

TEST(record_headers_belong_to_one_pack_and_place)
{
    uint8_t h56[RECORD_HEADER], room[200] = {0};
    struct pack_head h = {.number = 7, .salt = 99}, other = {.number = 7, .salt = 98};
    struct record r = {.offset = 4096, .size = 10, .sum = 5, .origin = 6, .origin_sum = 7, .stamp = 8}, got;
    record_put(&h, &r, h56);
    CHECK(record_get(&h, 4096, h56, &got) && got.size == 10 && got.sum == 5 && got.kind == RECORD_BODY);
    CHECK(got.origin == 6 && got.origin_sum == 7 && got.stamp == 8);
    CHECK(!record_get(&h, 4104, h56, &got));
    CHECK(!record_get(&other, 4096, h56, &got)); /* forged without knowing the salt */
    for (size_t i = 0; i < RECORD_HEADER; i++) {
        h56[i] ^= 0x20;
        CHECK(!record_get(&h, 4096, h56, &got));
        h56[i] ^= 0x20;
    }
    size_t at = 0;
    r.offset = 8000 + 96;
    record_put(&h, &r, room + 96);
    CHECK(record_search(&h, 8000, room, sizeof room, &at, &got) && at == 96);
    at = 97;
    CHECK(!record_search(&h, 8000, room, sizeof room, &at, &got));
    CHECK_INT(record_span(0, 0), 56);
    CHECK_INT(record_span(1, 0), 64);
    CHECK_INT(record_span(8, 0), 64);
    CHECK_INT(record_span(4, 5), 72);
}

TEST(chunks_of_large_bodies_cover_them)
{
    static const struct large shapes[] = {{1, 0},          {65536, 0},      {65537, 1},
                                          {200000, 65536}, {300000, 70000}, {0, 5}};
    for (size_t s = 0; s < COUNT_OF(shapes); s++) {
        const struct large *l = &shapes[s];
        uint64_t next = large_start(l), from, to;
        for (uint64_t i = 0; i < large_chunks(l); i++) {
            large_chunk(l, i, &from, &to);
            CHECK(from == next && to > from && to - from <= PACK_CHUNK);
            CHECK_INT(large_chunk_of(l, from - large_start(l)), i);
            CHECK_INT(large_chunk_of(l, to - 1 - large_start(l)), i);
            next = to;
        }
        CHECK_INT(next, large_start(l) + l->content + l->prefix);
        CHECK(large_table(l) >= next);
    }
}

TEST(references_are_read_as_written_and_nothing_else)
{
    struct place p = {BODY_MAIL, PACK_SHARED, 0x64fe1c2a3b4d5, 4096, 10240, 0xdeadbeef}, q;
    struct body_ref r, again;
    place_put(&p, &r);
    CHECK_SL(body_ref_slice(&r), "ms.64fe1c2a3b4d5.1000.2800.deadbeef");
    CHECK_OK(body_ref_parse(body_ref_slice(&r), &again));
    CHECK_OK(place_get(&again, &q));
    CHECK(q.pack == p.pack && q.at == 4096 && q.size == 10240 && q.sum == p.sum && q.cls == BODY_MAIL);
    CHECK_INT(body_ref_size(&r), 10240);
    CHECK_INT(body_ref_pack(&r), p.pack);
    static const char *const bad[] = {"",
                                      "ms",
                                      "ms.1.1000.1",
                                      "ms.1.1000.1.1.1",
                                      "ms.1.1000.1.",
                                      "xs.1.1000.1.1",
                                      "mx.1.1000.1.1",
                                      "ms.1.10.1.1",
                                      "ms.01.1000.1.1",
                                      "ms.1.1000.1.123456789",
                                      "ms.1.1000.A.1",
                                      "ms.1.1000.fffffff.1",
                                      "ml.1.80001.90000.1",
                                      "ml.1.20.10.1",
                                      "ms..1000.1.1",
                                      "ql.1.0.fffffffffffff.1",
                                      "ms.11111111111111111.1000.1.1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(body_ref_parse(sl_cstr(bad[i]), &r), ERR_SYNTAX);
    struct place widest = {BODY_QUEUE,      PACK_LARGE,        UINT64_MAX,
                           BODY_PREFIX_MAX, (uint64_t)1 << 48, UINT32_MAX};
    place_put(&widest, &r);
    CHECK_OK(body_ref_parse(body_ref_slice(&r), &again));
}

TEST(pack_names)
{
    char name[PACK_NAME_MAX];
    enum body_class cls;
    uint64_t number;
    bool part;
    pack_name(BODY_QUEUE, 0x1f, false, name);
    CHECK_SL(sl_cstr(name), "queue-000000000000001f.pack");
    CHECK(pack_name_parse(sl_cstr(name), &cls, &number, &part) && cls == BODY_QUEUE && number == 0x1f &&
          !part);
    pack_name(BODY_MAIL, UINT64_MAX, true, name);
    CHECK(pack_name_parse(sl_cstr(name), &cls, &number, &part) && cls == BODY_MAIL && number == UINT64_MAX &&
          part);
    CHECK(!pack_name_parse(SL("mail-1.pack"), &cls, &number, &part));
    CHECK(!pack_name_parse(SL("mail-000000000000001f.pac"), &cls, &number, &part));
    CHECK(!pack_name_parse(SL("lost+found"), &cls, &number, &part));
}
