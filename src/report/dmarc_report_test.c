/* dmarc_report_test.c - aggregate reports: rows, XML, where they go, and reading what others
 * send, bombs and hostile XML included. */
#include "dmarc_report.h"

#include <zlib.h>

#include "base/test.h"
#include "base/text.h"
#include "dkim/dkim_test.h"
#include "dns/dns_test.h"
#include "mailauth/mailauth.h"

static struct dmarc_row sample_row(void)
{
    struct dmarc_row r = {
        .source = {4, {192, 0, 2, 123}},
        .count = 123,
        .disposition = DMARC_D_PASS,
        .dkim_aligned = true,
        .header_from = SL("example.com"),
        .envelope_from = SL("bounces.example.com"),
        .envelope_to = SL("us.example"),
        .spf_domain = SL("bounces.example.com"),
        .spf_result = SL("fail"),
        .reason_type = SL("local_policy"),
        .reason = SL("a <list> & \"more\""),
        .dkim = {{SL("example.com"), SL("abc123"), SL("pass")},
                 {SL("other.example"), SL("s"), SL("permerror")}},
        .ndkim = 2,
    };
    return r;
}

static bool same_row(const struct dmarc_row *x, const struct dmarc_row *y)
{
    bool same = ip_eq(&x->source, &y->source) && x->count == y->count && x->disposition == y->disposition &&
                x->dkim_aligned == y->dkim_aligned && x->spf_aligned == y->spf_aligned &&
                sl_eq(x->reason_type, y->reason_type) && sl_eq(x->reason, y->reason) &&
                sl_eq(x->header_from, y->header_from) && sl_eq(x->envelope_from, y->envelope_from) &&
                sl_eq(x->envelope_to, y->envelope_to) && sl_eq(x->spf_domain, y->spf_domain) &&
                sl_eq(x->spf_result, y->spf_result) && x->ndkim == y->ndkim;
    for (size_t i = 0; same && i < x->ndkim; i++)
        same = sl_eq(x->dkim[i].domain, y->dkim[i].domain) &&
               sl_eq(x->dkim[i].selector, y->dkim[i].selector) && sl_eq(x->dkim[i].result, y->dkim[i].result);
    return same;
}

TEST(dmarc_rows_are_kept)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct dmarc_row r = sample_row(), back;
    dmarc_row_encode(&b, &r);
    REQUIRE(dmarc_row_decode(buf_slice(&b), &back) == 0);
    CHECK(same_row(&r, &back));
    struct slice key = dmarc_row_key(&a, &r);
    CHECK_INT(key.n, 32);
    back.count = 7;
    CHECK(sl_eq(dmarc_row_key(&a, &back), key));
    back.spf_aligned = true;
    CHECK(!sl_eq(dmarc_row_key(&a, &back), key));
    for (size_t n = 0; n < b.n; n++) /* every cut is noticed */
        CHECK(dmarc_row_decode(sl_sub(buf_slice(&b), 0, n), &back) != 0);
    buf_char(&b, 'x');
    CHECK_ERR(dmarc_row_decode(buf_slice(&b), &back), ERR_SYNTAX);
    b.p[2] = '9';
    CHECK_ERR(dmarc_row_decode(buf_slice(&b), &back), ERR_VERSION);
    buf_free(&b);
    ar_free(&a);
}

TEST(dmarc_rows_are_bounded)
{
    static char big[100000];
    struct buf b = BUF_INIT;
    memset(big, 'x', sizeof big);
    struct slice s = sl(big, sizeof big);
    struct dmarc_row r = {.source = {6, {1}},
                          .count = UINT64_MAX,
                          .header_from = s,
                          .envelope_from = s,
                          .envelope_to = s,
                          .spf_domain = s,
                          .spf_result = s,
                          .reason_type = s,
                          .reason = s,
                          .ndkim = DMARC_ROW_DKIM_MAX},
                     back;
    for (size_t i = 0; i < r.ndkim; i++) r.dkim[i] = (struct dmarc_row_dkim){s, s, s};
    dmarc_row_encode(&b, &r);
    CHECK(b.n < DMARC_ROW_BYTES_MAX);
    CHECK_OK(dmarc_row_decode(buf_slice(&b), &back));
    buf_free(&b);
}

TEST(dmarc_published_is_kept)
{
    struct buf b = BUF_INIT;
    struct dmarc_published back, p = {.domain = SL("example.com"),
                                      .p = DMARC_P_REJECT,
                                      .sp = DMARC_P_QUARANTINE,
                                      .np = DMARC_P_NONE,
                                      .has_sp = true,
                                      .aspf_strict = true,
                                      .testing = true,
                                      .fo = SL("1:d"),
                                      .discovery = SL("treewalk")};
    dmarc_published_encode(&b, &p);
    REQUIRE(dmarc_published_decode(buf_slice(&b), &back) == 0);
    CHECK_SL(back.domain, "example.com");
    CHECK_INT(back.p, DMARC_P_REJECT);
    CHECK_INT(back.sp, DMARC_P_QUARANTINE);
    CHECK(back.has_sp && !back.has_np && back.aspf_strict && !back.adkim_strict && back.testing);
    CHECK_SL(back.fo, "1:d");
    CHECK_ERR(dmarc_published_decode(SL("1:1,"), &back), ERR_SYNTAX);
    buf_free(&b);
}

/* ---- from verdicts ---- */

static const char world[] =
    "bank.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "_dmarc.bank.example. TXT \"v=DMARC1; p=reject; rua=mailto:d@bank.example; fo=d:s\"\n"
    "_dmarc.mute.example. TXT \"v=DMARC1; p=reject\"\n"
    "_dmarc.test.example. TXT \"v=DMARC1; p=quarantine; t=y; rua=mailto:d@test.example\"\n"
    "s._domainkey.evil.example. TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n"
    "s._domainkey.bank.example. TXT \"v=DKIM1; k=ed25519; p=" TEST_ED_P "\"\n";

static bool row_of(struct dns *d, struct arena *a, const char *ip, const char *signer, const char *text,
                   struct dmarc_row *row, struct dmarc_published *p)
{
    struct mailauth_ctx ctx = {.dns = d, .hostname = SL("mx.us.example")};
    struct mailauth_verdict v;
    struct mailauth_conn conn = {.helo = SL("h.example")};
    struct mailauth_envelope env = {.mail_from = SL("b@bank.example")};
    struct dkim_signer k = {.domain = sl_cstr(signer), .selector = SL("s"), .key = test_key(KEY_ED25519)};
    CHECK(ip_parse(sl_cstr(ip), &conn.ip));
    CHECK_OK(mailauth_check(&ctx, a, &conn, &env, sign_letter(a, letter(a, text), &k, 1), &v));
    return dmarc_row_of(a, &conn.ip, &v, row, p);
}

TEST(dmarc_rows_from_verdicts)
{
    struct arena a = {0};
    struct dns *d = zone(world);
    struct dmarc_row r;
    struct dmarc_published p;
    REQUIRE(row_of(d, &a, "192.0.2.1", "bank.example", "From: a@bank.example\n\nx\n", &r, &p));
    CHECK_INT(r.disposition, DMARC_D_PASS);
    CHECK(r.dkim_aligned && r.spf_aligned && !r.reason_type.n);
    CHECK_SL(r.spf_result, "pass");
    CHECK_SL(p.domain, "bank.example");
    CHECK_SL(p.fo, "d:s");
    REQUIRE(row_of(d, &a, "203.0.113.1", "evil.example", "From: a@bank.example\n\nx\n", &r, &p));
    CHECK_INT(r.disposition, DMARC_D_REJECT);
    CHECK(!r.dkim_aligned && !r.spf_aligned);
    REQUIRE(r.ndkim == 1);
    CHECK_SL(r.dkim[0].domain, "evil.example");
    CHECK_SL(r.dkim[0].result, "pass");
    REQUIRE(row_of(d, &a, "203.0.113.1", "evil.example", "From: a@test.example\n\nx\n", &r, &p));
    CHECK_INT(r.disposition, DMARC_D_NONE);
    CHECK_SL(r.reason_type, "policy_test_mode");
    CHECK(!row_of(d, &a, "203.0.113.1", "evil.example", "From: a@mute.example\n\nx\n", &r,
                  &p)); /* no rua, no report */
    CHECK(!row_of(d, &a, "203.0.113.1", "evil.example", "From: a@nowhere.example\n\nx\n", &r, &p));
    dns_close(&d);
    ar_free(&a);
}

TEST(dmarc_rows_tell_why)
{
    struct arena a = {0};
    struct dmarc_record rec = {.p = DMARC_P_QUARANTINE, .nrua = 1};
    struct mailauth_verdict v = {.disposition = MAILAUTH_REJECT,
                                 .sentence = SL("Reverse DNS validation failed"),
                                 .dmarc = {.code = DMARC_FAIL,
                                           .record = &rec,
                                           .published = DMARC_P_QUARANTINE,
                                           .applied = DMARC_P_QUARANTINE,
                                           .author = SL("x.example"),
                                           .policy_domain = SL("x.example")}};
    struct ip ip = {4, {192, 0, 2, 1}};
    struct dmarc_row r;
    struct dmarc_published p;
    REQUIRE(dmarc_row_of(&a, &ip, &v, &r, &p));
    CHECK_INT(r.disposition, DMARC_D_REJECT);
    CHECK_SL(r.reason_type, "local_policy"); /* "the reason element MUST be included" */
    v.disposition = MAILAUTH_DEFER;
    CHECK(!dmarc_row_of(&a, &ip, &v, &r, &p));
    v.disposition = MAILAUTH_QUARANTINE;
    REQUIRE(dmarc_row_of(&a, &ip, &v, &r, &p));
    CHECK(!r.reason_type.n);
    ar_free(&a);
}

/* ---- writing and reading back ---- */

static void write_report(struct buf *b, const struct dmarc_row *rows, size_t n)
{
    struct dmarc_report_meta m = {.org_name = SL("Us & Co"),
                                  .email = SL("dmarc@us.example"),
                                  .report_id = SL("1-2.example.com@us.example"),
                                  .begin = 1700000000,
                                  .end = 1700086399,
                                  .generator = SL("Tram")};
    struct dmarc_published p = {.domain = SL("example.com"),
                                .p = DMARC_P_REJECT,
                                .sp = DMARC_P_NONE,
                                .has_sp = true,
                                .fo = SL("0"),
                                .discovery = SL("treewalk")};
    dmarc_xml_begin(b, &m, &p);
    for (size_t i = 0; i < n; i++) dmarc_xml_row(b, &rows[i]);
    dmarc_xml_end(b);
}

TEST(dmarc_report_round_trip)
{
    struct arena a = {0};
    struct buf xml = BUF_INIT, gz = BUF_INIT, back = BUF_INIT;
    struct dmarc_row r = sample_row();
    struct dmarc_report rep;
    write_report(&xml, &r, 1);
    CHECK_OK(dmarc_gzip(&gz, buf_slice(&xml)));
    CHECK(gz.n < xml.n);
    CHECK_OK(dmarc_unpack(&back, buf_slice(&gz)));
    CHECK(sl_eq(buf_slice(&back), buf_slice(&xml)));
    REQUIRE(dmarc_report_parse(&a, buf_slice(&back), &rep) == 0);
    CHECK_SL(rep.org_name, "Us & Co");
    CHECK_SL(rep.report_id, "1-2.example.com@us.example");
    CHECK_INT(rep.begin, 1700000000);
    CHECK_INT(rep.end, 1700086399);
    CHECK_SL(rep.published.domain, "example.com");
    CHECK_INT(rep.published.p, DMARC_P_REJECT);
    CHECK(rep.published.has_sp && !rep.published.has_np);
    REQUIRE(rep.n == 1);
    CHECK(same_row(&rep.row[0], &r));
    CHECK_INT(rep.skipped, 0);
    buf_free(&xml), buf_free(&gz), buf_free(&back);
    ar_free(&a);
}

TEST(dmarc_report_texts_cannot_break_out)
{
    struct arena a = {0};
    struct buf xml = BUF_INIT;
    struct dmarc_row r = sample_row();
    struct dmarc_report rep;
    r.reason = SL("</comment></reason><x>\001\377 ]]>");
    r.dkim[0].selector = SL("</selector><result>pass</result>");
    write_report(&xml, &r, 1);
    REQUIRE(dmarc_report_parse(&a, buf_slice(&xml), &rep) == 0);
    CHECK_INT(rep.n, 1);
    CHECK_SL(rep.row[0].reason, "</comment></reason><x>?? ]]>");
    buf_free(&xml);
    ar_free(&a);
}

TEST(dmarc_report_names)
{
    struct arena a = {0};
    CHECK_SL(dmarc_report_filename(&a, SL("mail.receiver.example"), SL("example.com"), 1013662812, 1013749130,
                                   SL("")),
             "mail.receiver.example!example.com!1013662812!1013749130.xml.gz");
    CHECK_SL(dmarc_report_filename(&a, SL("a\"/../b.example"), SL("c\r\n.example"), 1, 2, SL("x7")),
             "a..b.example!c.example!1!2!x7.xml.gz");
    struct slice id = dmarc_report_id(&a, SL("example.com"), SL("mx.us.example"), 1, 2);
    CHECK_SL(id, "1-2.example.com@mx.us.example");
    CHECK_SL(
        dmarc_report_subject(&a, SL("example.com"), SL("mx.us.example"), id),
        "Report Domain: example.com Submitter: mx.us.example Report-ID: <1-2.example.com@mx.us.example>");
    ar_free(&a);
}

/* A report as RFC 7489 appendix C has it: no namespace, other order, two signatures, no version. */
static const char old_report[] =
    "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\" "
    "?>\n<feedback><report_metadata><org_name>google.com</org_name>"
    "<email>noreply-dmarc-support@google.com</email><extra_contact_info>https://support.google.com/a/answer/"
    "2466580</extra_contact_info>"
    "<report_id>13190401177475355109</report_id><date_range><end>1506124799</end><begin>1506038400</begin></"
    "date_range></report_metadata>"
    "<policy_published><domain>Example.com</domain><adkim>r</adkim><aspf>s</aspf><p>none</p><sp>none</"
    "sp><pct>100</pct></policy_published>"
    "<record><row><source_ip>2001:db8::25</source_ip><count>2</count><policy_evaluated><disposition>none</"
    "disposition><dkim>fail</dkim>"
    "<spf>pass</spf><reason><type>forwarded</type><comment></comment></reason></policy_evaluated></"
    "row><identifiers>"
    "<header_from>example.com</header_from></identifiers><auth_results><dkim><domain>a.example</"
    "domain><result>fail</result>"
    "<selector></selector></dkim><dkim><domain>b.example</domain><result>pass</result></"
    "dkim><spf><domain>example.com</domain>"
    "<result>pass</result></spf></auth_results></record><record><row><source_ip>nonsense</"
    "source_ip><count>1</count></row></record>"
    "<unknown><deep>x</deep></unknown></feedback>";

TEST(dmarc_report_of_rfc_7489)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct dmarc_report r;
    CHECK_OK(dmarc_unpack(&b, sl(old_report, sizeof old_report - 1)));
    REQUIRE(dmarc_report_parse(&a, buf_slice(&b), &r) == 0);
    REQUIRE(r.n == 1);
    CHECK_INT(r.skipped, 1);
    CHECK_SL(r.published.domain, "example.com");
    CHECK(r.published.aspf_strict && !r.published.adkim_strict);
    CHECK_INT(r.row[0].count, 2);
    CHECK_INT(r.row[0].ndkim, 2);
    CHECK_SL(r.row[0].dkim[1].domain, "b.example");
    CHECK(r.row[0].spf_aligned && !r.row[0].dkim_aligned);
    CHECK_SL(r.row[0].reason_type, "forwarded");
    /* The same with prefixes. */
    struct slice x =
        replace(&a, sl(old_report, sizeof old_report - 1), "<feedback>", "<d:feedback xmlns:d=\"urn:x\">");
    x = replace(&a, x, "</feedback>", "</d:feedback>");
    REQUIRE(dmarc_report_parse(&a, x, &r) == 0);
    CHECK_INT(r.n, 1);
    buf_free(&b);
    ar_free(&a);
}

/* ---- hostile input ---- */

TEST(dmarc_hostile_xml)
{
    struct arena a = {0};
    struct dmarc_report r;
    CHECK_ERR(
        dmarc_report_parse(
            &a,
            SL("<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">"
               "<!ENTITY c \"&b;&b;&b;&b;&b;\">]><feedback>&c;</feedback>"),
            &r),
        ERR_DENIED);
    CHECK_ERR(dmarc_report_parse(&a, SL("<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><feedback/>"), &r),
              ERR_DENIED);
    CHECK_ERR(dmarc_report_parse(&a, SL("<feedback>&xxe;</feedback>"), &r), ERR_SYNTAX);
    CHECK_ERR(dmarc_report_parse(&a, SL(""), &r), ERR_SYNTAX);
    CHECK_ERR(dmarc_report_parse(&a, SL("<feedback>"), &r), ERR_SYNTAX);
    CHECK_ERR(dmarc_report_parse(&a, SL("<feedback></feedback>"), &r), ERR_SYNTAX);
    CHECK_ERR(dmarc_report_parse(&a, SL("<html><body>hello</body></html>"), &r), ERR_SYNTAX);
    CHECK_ERR(dmarc_report_parse(&a, sl("<feedback>\0</feedback>", 22), &r), ERR_SYNTAX);
    struct buf deep = BUF_INIT;
    for (int i = 0; i < 10000; i++) buf_str(&deep, "<a>");
    CHECK_ERR(dmarc_report_parse(&a, buf_slice(&deep), &r), ERR_LIMIT);
    buf_clear(&deep);
    buf_char(&deep, '<');
    for (int i = 0; i < 10000; i++) buf_str(&deep, "name");
    buf_str(&deep, "/>");
    CHECK_ERR(dmarc_report_parse(&a, buf_slice(&deep), &r), ERR_LIMIT);
    buf_clear(&deep);
    buf_str(&deep, "<feedback");
    for (int i = 0; i < 100000; i++) buf_printf(&deep, " a%d=''", i);
    buf_str(&deep, "/>");
    CHECK_ERR(dmarc_report_parse(&a, buf_slice(&deep), &r), ERR_LIMIT);
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)), SL("a tag of more than")) != SL_NONE);
    buf_free(&deep);
    ar_free(&a);
}

TEST(dmarc_report_rows_are_limited)
{
    struct arena a = {0};
    struct buf xml = BUF_INIT;
    struct dmarc_report rep;
    struct dmarc_row r = {.source = {4, {192, 0, 2, 1}},
                          .count = 1,
                          .header_from = SL("example.com"),
                          .spf_result = SL("none"),
                          .spf_domain = SL("example.com")};
    struct dmarc_row *rows = xcalloc(DMARC_REPORT_ROWS_MAX + 1, sizeof *rows);
    for (size_t i = 0; i <= DMARC_REPORT_ROWS_MAX; i++) rows[i] = r;
    write_report(&xml, rows, DMARC_REPORT_ROWS_MAX + 1);
    CHECK_ERR(dmarc_report_parse(&a, buf_slice(&xml), &rep), ERR_LIMIT);
    buf_clear(&xml);
    write_report(&xml, rows, DMARC_REPORT_ROWS_MAX);
    CHECK_OK(dmarc_report_parse(&a, buf_slice(&xml), &rep));
    CHECK_INT(rep.n, DMARC_REPORT_ROWS_MAX);
    struct arena small;
    ar_init(&small, 256 << 10); /* who reads has a budget, and it is asked while reading */
    CHECK_ERR(dmarc_report_parse(&small, buf_slice(&xml), &rep), ERR_LIMIT);
    CHECK(small.used < 1 << 20);
    ar_free(&small);
    CHECK(a.used < (size_t)100 << 20);
    free(rows);
    buf_free(&xml);
    ar_free(&a);
}

/* As large as a report may be, packed: in base64 it is a third larger. */
TEST(dmarc_report_of_the_most_bytes_in_a_letter)
{
    struct arena a = {0};
    struct buf letter = BUF_INIT, out = BUF_INIT;
    struct slice xml = sl(old_report, sizeof old_report - 1), blanks;
    size_t pad = DMARC_PACKED_MAX - xml.n - 16;
    char *p = ar_alloc(&a, pad + xml.n);
    memcpy(p, xml.p, xml.n);
    memset(p + xml.n, ' ', pad);
    blanks = sl(p, pad + xml.n);
    buf_str(&letter, "Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    b64_encode(&letter, blanks);
    CHECK_OK(dmarc_report_in_message(&a, buf_slice(&letter), &out));
    CHECK_INT(out.n, blanks.n);
    buf_free(&letter), buf_free(&out);
    ar_free(&a);
}

TEST(dmarc_bombs)
{
    struct buf zeros = BUF_INIT, gz = BUF_INIT, out = BUF_INIT;
    size_t n = (size_t)DMARC_XML_MAX + 1;
    char *p = buf_space(&zeros, n);
    REQUIRE(p);
    memset(p, ' ', n);
    zeros.n = n;
    CHECK_OK(dmarc_gzip(&gz, buf_slice(&zeros)));
    CHECK(gz.n < 100000);
    CHECK_ERR(dmarc_unpack(&out, buf_slice(&gz)), ERR_LIMIT);
    CHECK(out.n <= DMARC_XML_MAX);
    for (size_t cut = 0; cut < 40 && cut < gz.n; cut++)
        CHECK(dmarc_unpack(&out, sl_sub(buf_slice(&gz), 0, cut)) != 0);
    zeros.n = (size_t)DMARC_PACKED_MAX + 1;
    CHECK_ERR(dmarc_unpack(&out, buf_slice(&zeros)), ERR_LIMIT);
    CHECK_ERR(dmarc_unpack(&out, SL("\x1f\x8b\x08garbage garbage garbage")), ERR_SYNTAX);
    CHECK_ERR(dmarc_unpack(&out, SL("%PDF-1.4")), ERR_UNSUPPORTED);
    CHECK_ERR(dmarc_unpack(&out, SL("")), ERR_UNSUPPORTED);
    buf_free(&zeros), buf_free(&gz), buf_free(&out);
}

/* ---- zip files made by hand ---- */

static void put16(struct buf *b, unsigned v) { buf_char(b, (char)v), buf_char(b, (char)(v >> 8)); }
static void put32(struct buf *b, uint32_t v) { put16(b, v & 0xffff), put16(b, v >> 16); }

struct zip_file {
    const char *name;
    struct slice text;
    bool store;
    unsigned flags;
};

static void raw_deflate(struct buf *out, struct slice in)
{
    z_stream z = {0};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&z, in.n);
    z.next_in = (Bytef *)(uintptr_t)in.p, z.avail_in = (uInt)in.n;
    z.next_out = (Bytef *)buf_space(out, room), z.avail_out = (uInt)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->n += room - z.avail_out;
    deflateEnd(&z);
}

static void zip(struct buf *out, const struct zip_file *f, size_t n)
{
    struct buf dir = BUF_INIT;
    buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        struct buf data = BUF_INIT;
        uint32_t at = (uint32_t)out->n;
        if (f[i].store) buf_put(&data, f[i].text);
        else raw_deflate(&data, f[i].text);
        for (int central = 0; central < 2; central++) {
            struct buf *b = central ? &dir : out;
            put32(b, central ? 0x02014b50 : 0x04034b50);
            if (central) put16(b, 20);
            put16(b, 20), put16(b, f[i].flags), put16(b, f[i].store ? 0 : 8), put32(b, 0), put32(b, 0);
            put32(b, (uint32_t)data.n), put32(b, (uint32_t)f[i].text.n),
                put16(b, (unsigned)strlen(f[i].name)), put16(b, 0);
            if (central) put16(b, 0), put16(b, 0), put16(b, 0), put32(b, 0), put32(b, at);
            buf_str(b, f[i].name);
        }
        buf_put(out, buf_slice(&data));
        buf_free(&data);
    }
    uint32_t at = (uint32_t)out->n;
    buf_put(out, buf_slice(&dir));
    put32(out, 0x06054b50), put16(out, 0), put16(out, 0), put16(out, (unsigned)n), put16(out, (unsigned)n);
    put32(out, (uint32_t)dir.n), put32(out, at), put16(out, 0);
    buf_free(&dir);
}

TEST(dmarc_zip_files)
{
    struct buf z = BUF_INIT, out = BUF_INIT;
    struct zip_file one = {"google.com!example.com!1!2.xml", sl(old_report, sizeof old_report - 1), false, 0},
                    stored = {"a.xml", sl(old_report, sizeof old_report - 1), true, 0};
    zip(&z, &one, 1);
    CHECK_OK(dmarc_unpack(&out, buf_slice(&z)));
    CHECK(sl_eq(buf_slice(&out), sl(old_report, sizeof old_report - 1)));
    zip(&z, &stored, 1);
    CHECK_OK(dmarc_unpack(&out, buf_slice(&z)));
    CHECK(sl_eq(buf_slice(&out), sl(old_report, sizeof old_report - 1)));
    struct zip_file with_folder[] = {{"folder/", SL(""), true, 0}, one};
    zip(&z, with_folder, 2);
    CHECK_OK(dmarc_unpack(&out, buf_slice(&z)));
    struct zip_file two[] = {one, stored};
    zip(&z, two, 2);
    CHECK_ERR(dmarc_unpack(&out, buf_slice(&z)), ERR_LIMIT);
    one.flags = 1;
    zip(&z, &one, 1);
    CHECK_ERR(dmarc_unpack(&out, buf_slice(&z)), ERR_UNSUPPORTED);
    CHECK_ERR(dmarc_unpack(&out, SL("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")), ERR_SYNTAX);
    buf_free(&z), buf_free(&out);
}

/* Damaged in any one byte, an archive is refused or unpacked, and never more than that. */
TEST(dmarc_zip_damage)
{
    struct buf z = BUF_INIT, out = BUF_INIT;
    struct zip_file one = {"a.xml", SL("<feedback/>"), false, 0};
    zip(&z, &one, 1);
    for (size_t i = 0; i < z.n; i++) {
        char was = z.p[i];
        for (int v = 0; v < 256; v += 51) {
            z.p[i] = (char)v;
            (void)!dmarc_unpack(&out, buf_slice(&z));
        }
        z.p[i] = was;
        (void)!dmarc_unpack(&out, sl_sub(buf_slice(&z), 0, i));
    }
    CHECK_OK(dmarc_unpack(&out, buf_slice(&z)));
    static char big[20 << 20];
    memset(big, ' ', sizeof big);
    struct zip_file bomb = {"a.xml", sl(big, sizeof big), false, 0};
    zip(&z, &bomb, 1);
    CHECK_ERR(dmarc_unpack(&out, buf_slice(&z)), ERR_LIMIT);
    buf_free(&z), buf_free(&out);
}

/* ---- destinations ---- */

static const char consumers[] =
    "_dmarc.blue.example. TXT \"v=DMARC1; p=none\"\n"
    "blue.example._report._dmarc.red.example. TXT \"v=DMARC1\"\n"
    "blue.example._report._dmarc.green.example. TXT \"junk\"\nblue.example._report._dmarc.green.example. TXT "
    "\"v=DMARC1; rua=mailto:new@green.example\"\n"
    "blue.example._report._dmarc.black.example. TXT \"v=DMARC1; rua=mailto:victim@elsewhere.example\"\n"
    "*._report._dmarc.any.example. TXT \"v=DMARC1\"\n;! servfail blue.example._report._dmarc.later.example\n";

static struct dmarc_destination where(struct dns *d, struct arena *a, const char *uri)
{
    struct dmarc_destination out[DMARC_DESTINATIONS_MAX] = {0};
    struct dmarc_record *r = ar_new(a, struct dmarc_record);
    CHECK_OK(dmarc_record_parse(a, ar_printf(a, "v=DMARC1; p=none; rua=%s", uri), r));
    int n = dmarc_report_destinations(d, a, SL("blue.example"), r, out);
    if (n != 1) test_fail(__FILE__, __LINE__, "%s gives %d destinations", uri, n);
    CHECK(out[0].allowed == (out[0].why.n == 0));
    return out[0];
}

TEST(dmarc_report_destinations)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(consumers);
    CHECK(where(z->dns, &a, "mailto:a@blue.example!5m").allowed);
    CHECK_INT(where(z->dns, &a, "mailto:a@blue.example!5m").max_bytes, 5 << 20);
    CHECK(where(z->dns, &a, "mailto:a@sub.blue.example").allowed); /* the same organisation */
    CHECK(where(z->dns, &a, "mailto:a@red.example").allowed);
    struct dmarc_destination x = where(z->dns, &a, "mailto:a@green.example");
    CHECK(x.allowed);
    CHECK_SL(x.mailbox, "new@green.example");
    x = where(z->dns, &a, "mailto:a@black.example");
    CHECK(!x.allowed && !x.temporary);
    CHECK(where(z->dns, &a, "mailto:a@any.example").allowed);
    CHECK(!where(z->dns, &a, "mailto:a@victim.example").allowed);
    x = where(z->dns, &a, "mailto:a@later.example");
    CHECK(!x.allowed && x.temporary);
    struct dmarc_destination out[DMARC_DESTINATIONS_MAX];
    struct dmarc_record *r = ar_new(&a, struct dmarc_record);
    CHECK_OK(dmarc_record_parse(
        &a,
        SL("v=DMARC1; p=none; rua=https://x.example/,mailto:1@blue.example,mailto:2@blue.example,"
           "mailto:3@blue.example,mailto:4@blue.example,mailto:5@blue.example,mailto:6@blue.example"),
        r));
    CHECK_INT(dmarc_report_destinations(z->dns, &a, SL("blue.example"), r, out), DMARC_DESTINATIONS_MAX);
    counted_close(z);
    ar_free(&a);
}

/* ---- letters ---- */

TEST(dmarc_report_letter)
{
    struct arena a = {0};
    struct buf xml = BUF_INIT, gz = BUF_INIT, mail = BUF_INIT, back = BUF_INIT;
    struct dmarc_row r = sample_row();
    write_report(&xml, &r, 1);
    CHECK_OK(dmarc_gzip(&gz, buf_slice(&xml)));
    struct dmarc_mail m = {
        .from = SL("dmarc@us.example"),
        .to = SL("d@example.com"),
        .policy_domain = SL("example.com"),
        .submitter = SL("mx.us.example"),
        .report_id = SL("1-2.example.com@mx.us.example"),
        .begin = 1700000000,
        .end = 1700086399,
        .date = 1700090000,
        .random = 0x1234,
        .gzip = buf_slice(&gz),
    };
    dmarc_report_message(&mail, &m);
    struct slice s = buf_slice(&mail);
    CHECK(sl_find(s, SL("\r\nFrom: dmarc@us.example\r\n")) != SL_NONE);
    CHECK(sl_find(s, SL("Subject: Report Domain: example.com Submitter: mx.us.example")) != SL_NONE);
    CHECK(
        sl_find(s,
                SL("filename=\"mx.us.example!example.com!1700000000!1700086399!0000000000001234.xml.gz\"")) !=
        SL_NONE);
    for (size_t i = 0; i < s.n; i++) CHECK((s.p[i] == '\n') == (i > 0 && s.p[i - 1] == '\r'));
    CHECK_OK(dmarc_report_in_message(&a, s, &back));
    CHECK(sl_eq(buf_slice(&back), buf_slice(&xml)));
    buf_free(&xml), buf_free(&gz), buf_free(&mail), buf_free(&back);
    ar_free(&a);
}

TEST(dmarc_report_in_other_letters)
{
    struct arena a = {0};
    struct buf out = BUF_INIT;
    CHECK_ERR(dmarc_report_in_message(&a, SL("Subject: hello\r\n\r\nno report\r\n"), &out), ERR_NOT_FOUND);
    CHECK_ERR(dmarc_report_in_message(&a, SL(""), &out), ERR_NOT_FOUND);
    CHECK_OK(dmarc_report_in_message(&a, SL("Content-Type: text/xml\r\n\r\n<feedback/>\r\n"), &out));
    CHECK_SL(sl_trim(buf_slice(&out)), "<feedback/>");
    CHECK_OK(dmarc_report_in_message(
        &a,
        SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
           "Content-Type: application/octet-stream; name=\"x!y!1!2.xml\"\r\nContent-Transfer-Encoding: "
           "base64\r\n\r\nPGZlZWRiYWNrLz4=\r\n--b--\r\n"),
        &out));
    CHECK_SL(buf_slice(&out), "<feedback/>");
    CHECK_ERR(dmarc_report_in_message(
                  &a,
                  SL("Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n"),
                  &out),
              ERR_UNSUPPORTED);
    buf_free(&out);
    ar_free(&a);
}
