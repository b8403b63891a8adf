/* dialect_test.c - calls of the vendors' libraries taken apart: what becomes of them, and where the fault is.
 */
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "mailjet.h"
#include "sendgrid.h"
#include "ses.h"

enum { NOW = 1795383266 };

static json_t *parsed(const char *text)
{
    json_error_t why;
    json_t *v = json_loads(text, 0, &why);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, why.text);
    return v;
}

#define TO "\"personalizations\":[{\"to\":[{\"email\":\"bob@two.test\"}]}]"
#define FROM "\"from\":{\"email\":\"ann@one.test\",\"name\":\"Ann\"}"
#define REST "\"subject\":\"S\",\"content\":[{\"type\":\"text/plain\",\"value\":\"Hi\"}]"

TEST(sendgrid_reads_a_call)
{
    json_t *body = parsed("{\"personalizations\":[{\"to\":[{\"email\":\"bob@two.test\",\"name\":\"Bob\"}],"
                          "\"cc\":[{\"email\":\"c@two.test\"}],"
                          "\"subject\":\"Own\",\"headers\":{\"X-Own\":\"1\"},\"dynamic_template_data\":{"
                          "\"a\":[1]},\"custom_args\":{\"k\":\"v\"},"
                          "\"send_at\":1795383300}]," FROM
                          ",\"template_id\":\"d-1\",\"reply_to\":{\"email\":\"r@one.test\"},"
                          "\"categories\":[\"a\",\"b\"],\"asm\":{\"group_id\":7},\"batch_id\":\"B\","
                          "\"attachments\":[{\"content\":\"aGk=\","
                          "\"filename\":\"a.txt\",\"disposition\":\"inline\",\"content_id\":\"c\"}],\"mail_"
                          "settings\":{\"sandbox_mode\":"
                          "{\"enable\":true},\"bypass_spam_management\":{\"enable\":true}},\"tracking_"
                          "settings\":{\"open_tracking\":"
                          "{\"enable\":true},\"click_tracking\":{\"enable\":false}}}");
    struct sendgrid_mail m;
    sendgrid_mail_read(&m, body, NOW);
    CHECK_INT(m.d.faults, 0);
    REQUIRE(m.nletters == 1);
    CHECK_SL(m.letter[0].to.v[0].name, "Bob");
    CHECK_SL(m.letter[0].cc.v[0].address, "c@two.test");
    CHECK_SL(m.letter[0].subject, "Own");
    CHECK_SL(m.letter[0].fields.v[0].value, "1");
    CHECK_SL(m.letter[0].data, "{\"a\":[1]}");
    CHECK_SL(m.letter[0].args, "{\"k\":\"v\"}");
    CHECK_INT(m.letter[0].send_at, 1795383300);
    CHECK_SL(m.template_id, "d-1");
    CHECK_SL(m.send.reply_to.v[0].address, "r@one.test");
    CHECK_INT(m.send.ncategories, 2);
    CHECK_INT(m.send.group, 7);
    CHECK_INT(m.send.stream, STREAM_BULK);
    CHECK_SL(m.send.batch, "B");
    CHECK_SL(m.send.file[0].bytes, "hi");
    CHECK(m.send.file[0].in_text);
    CHECK_INT(m.send.options, SEND_HONOUR_UNSUBSCRIBED | SEND_SANDBOX | SEND_BYPASS_SPAM | SEND_TRACK_OPENS);
    sendgrid_mail_end(&m);
    json_decref(body);
}

/* Does the call fail with this sentence at this field? Begins so. */
static void fails(const char *text, const char *field, const char *sentence)
{
    struct sendgrid_mail m;
    json_t *body = parsed(text);
    bool found = false;
    sendgrid_mail_read(&m, body, NOW);
    for (size_t i = 0; i < json_array_size(m.errors); i++) {
        json_t *e = json_array_get(m.errors, i);
        const char *at = json_string_value(json_object_get(e, "field"));
        found = found || (sl_eq(sl_cstr(at ? at : ""), sl_cstr(field)) &&
                          sl_starts(dialect_slice(json_object_get(e, "message")), sl_cstr(sentence)));
    }
    char *all = json_dumps(m.errors, 0);
    if (!found) test_fail(__FILE__, __LINE__, "%s: %s", text, all);
    free(all);
    sendgrid_mail_end(&m);
    json_decref(body);
}

TEST(sendgrid_says_what_is_wrong)
{
    fails("{" FROM "," REST "}", "personalizations", "The personalizations field is required");
    fails("{\"personalizations\":[]," FROM "," REST "}", "personalizations",
          "The personalizations field is required");
    fails("{\"personalizations\":[{}]," FROM "," REST "}", "personalizations.0.to",
          "The to array is required");
    fails("{\"personalizations\":[1]," FROM "," REST "}", "personalizations.0", "A personalization must be");
    fails("{\"personalizations\":[{\"to\":[{\"email\":\"bob\"}]}]," FROM "," REST "}",
          "personalizations.0.to.0.email", "Does not contain a valid address.");
    fails("{\"personalizations\":[{\"to\":[{\"email\":\"Bob@two.test\"}],\"cc\":[{\"email\":\"bob@TWO.test\"}"
          "]}]," FROM "," REST "}",
          "personalizations.0",
          "Each email address in the personalization block should be unique between to, cc, and bcc. "
          "We found the first duplicate instance of [bob@two.test]");
    fails("{" TO "," REST "}", "from.email", "The from object must be provided");
    fails("{" TO ",\"from\":\"x\"," REST "}", "from", "The from parameter should be an object");
    fails("{" TO "," FROM ",\"content\":[{\"type\":\"text/plain\",\"value\":\"x\"}]}", "subject",
          "The subject is required");
    fails("{" TO "," FROM ",\"subject\":\"a\\r\\nBcc: x\"}", "subject",
          "The subject must not hold a line end");
    fails("{" TO "," FROM ",\"subject\":\"S\"}", "content", "Unless a valid template_id");
    fails("{" TO "," FROM ",\"subject\":\"S\",\"content\":[{\"type\":\"text/"
          "html\",\"value\":\"x\"},{\"type\":\"text/plain\",\"value\":\"x\"}]}",
          "content", "If present, text/plain and text/html");
    fails("{" TO "," FROM ",\"subject\":\"S\",\"content\":[{\"type\":\"x\\r\\ny\",\"value\":\"x\"}]}",
          "content.0.type", "The content type");
    fails("{" TO "," FROM "," REST ",\"headers\":{\"X-A\":\"1\\nBcc: y\"}}", "headers.X-A",
          "the header X-A must not hold");
    fails("{" TO "," FROM "," REST ",\"headers\":{\"BCC\":\"y\"}}", "headers.BCC",
          "the header BCC cannot be set");
    fails("{" TO "," FROM "," REST ",\"headers\":{\"X\":1}}", "headers.X", "The value of a header");
    fails("{" TO "," FROM "," REST ",\"categories\":[\"a\\nb\"]}", "categories.0",
          "The category must not hold");
    fails("{" TO "," FROM "," REST
          ",\"categories\":[\"\",\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]}",
          "categories", "The categories array must not have more than 10");
    fails("{" TO "," FROM "," REST ",\"attachments\":[{\"content\":\"!\",\"filename\":\"a\"}]}",
          "attachments.0.content", "The attachment content must be base64");
    fails("{" TO "," FROM "," REST ",\"attachments\":[{\"content\":\"aGk=\",\"filename\":\"a\\r\\nX: y\"}]}",
          "attachments.0.filename", "The filename must not hold a line end");
    fails("{" TO "," FROM "," REST ",\"send_at\":1895383266}", "send_at", "The send_at parameter");
    fails("{" TO "," FROM "," REST
          ",\"reply_to\":{\"email\":\"a@b.test\"},\"reply_to_list\":[{\"email\":\"a@b.test\"}]}",
          "reply_to", "The reply_to is mutually exclusive");
    fails("{" TO "," FROM "," REST ",\"asm\":{}}", "asm.group_id", "The asm group_id is required");
    fails("{" TO "," FROM "," REST ",\"custom_args\":{\"a\":1}}", "custom_args",
          "The values of custom_args must be strings");
}

/* A call with n times this in the place; then its faults, and what it took. */
static void repeats(const char *tag, const char *more, int n, bool in_text, size_t faults, size_t most)
{
    struct sendgrid_mail m;
    struct buf many = BUF_INIT, b = BUF_INIT;
    for (int i = 0; i < n; i++) buf_str(&many, tag);
    buf_printf(&b,
               "{" TO "," FROM
               ",\"subject\":\"S\",\"content\":[{\"type\":\"text/plain\",\"value\":\"x%.*s\"}],"
               "\"tracking_settings\":{\"subscription_tracking\":{\"enable\":true,%s\"text\":\"x%.*s\"}}}",
               SLF(in_text ? buf_slice(&many) : SL("")), more, SLF(in_text ? SL("") : buf_slice(&many)));
    buf_char(&b, 0);
    json_t *body = parsed(b.p);
    sendgrid_mail_read(&m, body, NOW);
    CHECK_INT(m.d.faults, 0);
    sendgrid_mail_finish(&m);
    CHECK_INT(m.d.faults, faults);
    CHECK(m.d.a.used < most);
    sendgrid_mail_end(&m);
    json_decref(body);
    buf_free(&many);
    buf_free(&b);
}

/* Each tag becomes a link that is longer: a call does not grow by it without a bound. */
TEST(sendgrid_links_to_leave_by_are_bounded)
{
    repeats("a", "\"substitution_tag\":\"a\",", 500, true, 0, 1 << 20);
    repeats("a", "\"substitution_tag\":\"a\",", 501, true, 1, 1 << 20);
    repeats("a", "\"substitution_tag\":\"a\",", 4 << 20, true, 1, 6 << 20);
    repeats("<%%>", "", 500, false, 0, 1 << 20);
    repeats("<%%>", "", 1 << 20, false, 1, 14 << 20);
}

TEST(sendgrid_takes_1000_personalizations_and_not_one_more)
{
    for (int n = 1000; n <= 1001; n++) {
        struct buf b = BUF_INIT;
        buf_str(&b, "{\"personalizations\":[");
        for (int i = 0; i < n; i++)
            buf_printf(&b, "%s{\"to\":[{\"email\":\"u%d@two.test\"}]}", i ? "," : "", i);
        buf_str(&b, "]," FROM "," REST "}");
        buf_char(&b, 0);
        json_t *body = parsed(b.p);
        struct sendgrid_mail m;
        sendgrid_mail_read(&m, body, NOW);
        CHECK_INT(m.d.faults, n > 1000);
        CHECK_INT(m.nletters, n > 1000 ? 0 : 1000);
        sendgrid_mail_end(&m);
        json_decref(body);
        buf_free(&b);
    }
}

TEST(mailjet_reads_a_call)
{
    json_t *body = parsed("{\"Globals\":{\"CustomCampaign\":\"June\"},\"SandboxMode\":true,\"Messages\":[{"
                          "\"From\":{\"Email\":\"ann@one.test\"},"
                          "\"To\":[{\"Email\":\"bob@two.test\",\"Name\":\"Bob\"}],\"Subject\":\"S "
                          "{{var:a}}\",\"TextPart\":\"T\",\"HTMLPart\":\"H\","
                          "\"TemplateLanguage\":true,\"Variables\":{\"a\":1},\"CustomID\":\"c\","
                          "\"EventPayload\":\"p\",\"Headers\":{\"X-A\":\"1\"},"
                          "\"InlinedAttachments\":[{\"ContentType\":\"image/"
                          "png\",\"Filename\":\"a.png\",\"ContentID\":\"i\",\"Base64Content\":\"aGk=\"}]}]}");
    struct mailjet_call m;
    mailjet_read(&m, body);
    CHECK_INT(m.d.faults, 0);
    REQUIRE(m.n == 1);
    const struct send *s = &m.message[0].s.send;
    CHECK_SL(s->campaign, "June");
    CHECK_INT(s->language, SEND_MAILJET);
    CHECK_INT(s->nparts, 2);
    CHECK_INT(s->options, SEND_SANDBOX);
    CHECK_SL(s->data, "{\"a\":1}");
    CHECK_SL(s->payload, "p");
    CHECK_SL(m.message[0].letter.custom, "c");
    CHECK_SL(s->file[0].content_id, "i");
    mailjet_end(&m);
    json_decref(body);
}

/* In the codes of Mailjet's table, which programs compare. */
TEST(mailjet_says_what_is_wrong)
{
    static const struct {
        const char *message, *code, *related;
    } cases[] = {
        {"'To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0003", "From"},
        {"'From':null,'To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0003", "From"},
        {"'From':'a@one.test','To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0004", "From"},
        {"'From':{},'To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0003", "From.Email"},
        {"'From':{'Email':''},'To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0012", "From.Email"},
        {"'From':{'Email':5},'To':[{'Email':'b@two.test'}],'TextPart':'x'", "mj-0004", "From.Email"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'bob'}],'TextPart':'x'", "mj-0013", "To[0].Email"},
        {"'From':{'Email':'a@one.test'},'TextPart':'x'", "mj-0003", "To"},
        {"'From':{'Email':'a@one.test'},'To':[],'TextPart':'x'", "mj-0007", "To"},
        {"'From':{'Email':'a@one.test'},'To':'b@two.test','TextPart':'x'", "mj-0004", "To"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'b@two.test'}]", "send-0003", "HTMLPart"},
        {"'From':{'Email':'a@one.test','Name':'x\\nBcc: y'},'To':[{'Email':'b@two.test'}],'TextPart':'x'",
         "mj-0004", "From.Name"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'b@two.test'}],'TextPart':'x','TrackOpens':'yes'",
         "mj-0005", "TrackOpens"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'b@two.test'}],'TextPart':'x','URLTags':'a=b'",
         "mj-0005", "URLTags"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'b@two.test'}],'TextPart':'x','Headers':{'To':'y'}",
         "send-0011", "Headers.To"},
        {"'From':{'Email':'a@one.test'},'To':[{'Email':'b@two.test'}],'TextPart':'x','Attachments':"
         "[{'ContentType':'','Filename':'f','Base64Content':'aGk='}]",
         "mj-0012", "Attachments[0].ContentType"},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = (char *)ar_printf(&a, "{'Messages':[{%s}]}", cases[i].message).p;
        for (char *q = text; *q; q++)
            if (*q == '\'') *q = '"';
        json_t *body = parsed(text);
        struct mailjet_call m;
        mailjet_read(&m, body);
        json_t *e = json_array_get(m.message[0].errors, 0);
        CHECK_INT(json_array_size(m.message[0].errors), 1);
        CHECK_SL(dialect_slice(json_object_get(e, "ErrorCode")), cases[i].code);
        CHECK_SL(dialect_slice(json_array_get(json_object_get(e, "ErrorRelatedTo"), 0)), cases[i].related);
        mailjet_end(&m);
        json_decref(body);
    }
    ar_free(&a);
    json_t *body = parsed("{\"Messages\":[]}");
    struct mailjet_call m;
    mailjet_read(&m, body);
    CHECK_INT(json_array_size(m.errors), 1);
    mailjet_end(&m);
    json_decref(body);
}

TEST(ses_reads_a_call)
{
    json_t *body = parsed("{\"FromEmailAddress\":\"\\\"Ann, A\\\" "
                          "<ann@one.test>\",\"Destination\":{\"ToAddresses\":[\"b@two.test\"],"
                          "\"BccAddresses\":[\"Carl "
                          "<c@two.test>\"]},\"Content\":{\"Simple\":{\"Subject\":{\"Data\":\"S\"},\"Body\":{"
                          "\"Text\":{\"Data\":\"T\"}},\"Headers\":[{\"Name\":\"X-A\",\"Value\":\"1\"}]}},"
                          "\"EmailTags\":[{\"Name\":\"k\","
                          "\"Value\":\"v\"}]}");
    struct ses_mail m;
    ses_read_one(&m, body);
    CHECK_INT(m.d.faults, 0);
    CHECK_SL(m.s.send.from.name, "Ann, A");
    CHECK_SL(m.s.letter[0].bcc.v[0].address, "c@two.test");
    CHECK_SL(m.s.send.args, "{\"k\":\"v\"}");
    CHECK_SL(m.s.send.fields.v[0].name, "X-A");
    ses_mail_end(&m);
    json_decref(body);

    body = parsed("{\"Content\":{\"Raw\":{\"Data\":"
                  "\"RnJvbTogQSA8YUBvbmUudGVzdD4NClRvOiBiQHR3by50ZXN0DQoNCmhpDQo=\"}}}");
    ses_read_one(&m, body);
    CHECK_INT(m.d.faults, 0);
    CHECK_SL(m.s.send.from.address, "a@one.test");
    CHECK_SL(m.s.letter[0].to.v[0].address, "b@two.test");
    ses_mail_end(&m);
    json_decref(body);

    body = parsed(
        "{\"FromEmailAddress\":\"a@one.test\",\"DefaultContent\":{\"Template\":{\"TemplateName\":\"T\","
        "\"TemplateData\":"
        "\"{\\\"a\\\":1}\"}},\"BulkEmailEntries\":[{\"Destination\":{\"ToAddresses\":[\"b@two.test\"]},"
        "\"ReplacementEmailContent\":{\"ReplacementTemplate\":{\"ReplacementTemplateData\":\"{\\\"a\\\":2}\"}"
        "}}]}");
    ses_read_bulk(&m, body);
    CHECK_INT(m.d.faults, 0);
    CHECK_SL(m.template_name, "T");
    CHECK_SL(m.s.send.data, "{\"a\":1}");
    CHECK_SL(m.s.letter[0].data, "{\"a\":2}");
    CHECK_INT(m.s.send.stream, STREAM_BULK);
    ses_mail_end(&m);
    json_decref(body);
}

TEST(ses_says_what_is_wrong)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"{}", "Content: One of Simple"},
        {"{\"FromEmailAddress\":\"a@b@c\"}", "FromEmailAddress: Illegal address: 'a@b@c'"},
        {"{\"FromEmailAddress\":\"a@one.test, b@one.test\"}", "FromEmailAddress: Illegal address"},
        {"{\"FromEmailAddress\":\"a@one.test\",\"Content\":{\"Simple\":{\"Subject\":{\"Data\":\"a\\nb\"},"
         "\"Body\":{\"Text\":{\"Data\":\"x\"}}}}}",
         "The subject must not hold a line end"},
        {"{\"FromEmailAddress\":\"a@one.test\",\"Content\":{\"Template\":{\"TemplateName\":\"x\","
         "\"TemplateData\":\"[]\"}}}",
         "TemplateData must be a JSON object"},
        {"{\"FromEmailAddress\":\"a@one.test\",\"Content\":{\"Raw\":{\"Data\":\"%\"}}}",
         "Raw.Data: The attachment content"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *body = parsed(cases[i].body);
        struct ses_mail m;
        ses_read_one(&m, body);
        CHECK(m.d.faults > 0);
        if (!sl_starts(sl_cstr(m.why), sl_cstr(cases[i].why)))
            test_fail(__FILE__, __LINE__, "\"%s\" is not \"%s\"", m.why, cases[i].why);
        ses_mail_end(&m);
        json_decref(body);
    }
}

/* Texts and words of the message stand in place of those of all, members of addresses, headers and variables
 * beside them, lists behind them. */
TEST(mailjet_globals_lie_under_each_message)
{
    json_t *body = parsed("{\"Globals\":{\"From\":{\"Email\":\"ann@one.test\",\"Name\":\"Ann\"},\"Subject\":"
                          "\"all\",\"TextPart\":\"t\","
                          "\"To\":[{\"Email\":\"no@two.test\"}],\"Cc\":[{\"Email\":\"c@two.test\"}],"
                          "\"Headers\":{\"X-A\":\"1\",\"X-B\":\"2\"},"
                          "\"Variables\":{\"a\":1,\"b\":2},\"Attachments\":[{\"ContentType\":\"a/"
                          "b\",\"Filename\":\"all\",\"Base64Content\":"
                          "\"aGk=\"}],\"Unknown\":{}},\"Messages\":["
                          "{\"To\":[{\"Email\":\"b@two.test\"}],\"From\":{\"Name\":\"Other\"},\"Subject\":"
                          "\"own\",\"Cc\":[{\"Email\":\"d@two.test\"}],"
                          "\"Headers\":{\"X-B\":\"3\"},\"Variables\":{\"b\":3,\"c\":4},\"Attachments\":[{"
                          "\"ContentType\":\"a/b\",\"Filename\":"
                          "\"own\",\"Base64Content\":\"aGk=\"}]},"
                          "{\"To\":[{\"Email\":\"b@two.test\"}]},"
                          "{\"TextPart\":\"x\"}]}");
    struct mailjet_call m;
    mailjet_read(&m, body);
    REQUIRE(m.n == 3);
    const struct send *s = &m.message[0].s.send;
    const struct send_letter *l = &m.message[0].letter;
    CHECK_SL(s->from.address, "ann@one.test");
    CHECK_SL(s->from.name, "Other");
    CHECK_SL(s->subject, "own");
    CHECK_INT(l->to.n, 1);
    REQUIRE(l->cc.n == 2 && s->nfiles == 2);
    CHECK_SL(l->cc.v[0].address, "c@two.test");
    CHECK_SL(l->cc.v[1].address, "d@two.test");
    CHECK_SL(s->file[0].name, "all");
    CHECK_SL(s->file[1].name, "own");
    CHECK_SL(s->data, "{\"a\":1,\"b\":2}");
    CHECK_SL(l->data, "{\"b\":3,\"c\":4}");
    CHECK_INT(s->fields.n, 2);
    REQUIRE(l->fields.n == 1);
    CHECK_SL(l->fields.v[0].value, "3");
    s = &m.message[1].s.send, l = &m.message[1].letter;
    CHECK_SL(s->from.name, "Ann");
    CHECK_SL(s->subject, "all");
    CHECK_SL(s->data, "{\"a\":1,\"b\":2}");
    CHECK(!l->data.n && !l->fields.n && l->cc.n == 1 && s->nfiles == 1);
    CHECK_INT(json_array_size(m.message[0].errors) + json_array_size(m.message[1].errors), 0);
    CHECK_INT(m.message[2].letter.to.n, 0); /* it has To of its own, or none */
    mailjet_end(&m);
    json_decref(body);
}

/* What stands once in a call is made once, whatever it is a part of. */
TEST(mailjet_globals_take_memory_once)
{
    struct mailjet_call m;
    struct buf b = BUF_INIT, big = BUF_INIT;
    for (int i = 0; i < 250000; i++) buf_str(&big, "QUJD");
    buf_printf(&b,
               "{\"Globals\":{\"From\":{\"Email\":\"ann@one.test\"},\"TextPart\":\"x\",\"Variables\":{\"v\":"
               "\"%.*s\"},"
               "\"Attachments\":[{\"ContentType\":\"a/"
               "b\",\"Filename\":\"f\",\"Base64Content\":\"%.*s\"}]},\"Messages\":[",
               SLF(buf_slice(&big)), SLF(buf_slice(&big)));
    for (int i = 0; i < 50; i++) buf_printf(&b, "%s{\"To\":[{\"Email\":\"bob@two.test\"}]}", i ? "," : "");
    buf_str(&b, "]}");
    buf_char(&b, 0);
    json_t *body = parsed(b.p);
    mailjet_read(&m, body);
    CHECK_INT(m.d.faults, 0);
    REQUIRE(m.n == 50);
    for (int i = 0; i < 50; i++) {
        const struct send *s = &m.message[i].s.send;
        REQUIRE(s->nfiles == 1 && s->file[0].bytes.n == 750000 && s->data.n > 1000000);
        CHECK(s->file[0].bytes.p == m.message[0].s.send.file[0].bytes.p);
        CHECK(s->data.p == m.message[0].s.send.data.p);
    }
    CHECK(m.d.a.used < 4 << 20);
    mailjet_end(&m);
    json_decref(body);
    buf_free(&b);
    buf_free(&big);
}

/* Recipients that are only named in the message itself: all of them, or none. */
TEST(ses_raw_message_names_all_its_recipients)
{
    static const struct {
        const char *to;
        size_t n, copies; /* n: recipients; 0: refused. copies: how often the address stands there */
    } cases[] = {{"To: a@two.test, B <b@two.test>", 2, 0},
                 {"To: a@two.test, b@@two.test", 0, 0},
                 {"To: a@two.test, nobody", 0, 0},
                 {"To: x@two.test", 50, 50},
                 {"To: x@two.test", 0, 51},
                 {"Cc: undisclosed-recipients:;", 0, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ses_mail m;
        struct buf b = BUF_INIT, base64 = BUF_INIT;
        buf_printf(&b, "From: ann@one.test\r\n%s", cases[i].to);
        for (size_t k = 1; k < cases[i].copies; k++) buf_printf(&b, ",\r\n x%zu@two.test", k);
        buf_str(&b, "\r\n\r\nHi\r\n");
        b64_encode(&base64, buf_slice(&b));
        json_t *body = json_pack("{s:{s:{s:s%}}}", "Content", "Raw", "Data", base64.p, base64.n);
        ses_read_one(&m, body);
        if (cases[i].n) CHECK(!m.d.faults && m.s.letter[0].to.n == cases[i].n);
        else CHECK(m.d.faults > 0 && *m.why);
        ses_mail_end(&m);
        json_decref(body);
        buf_free(&b);
        buf_free(&base64);
    }
}

static bool sendgrid_takes(const char *address)
{
    struct sendgrid_mail m;
    json_t *body = json_pack("{s:[{s:[{s:s}]}],s:{s:s},s:s,s:[{s:s,s:s}]}", "personalizations", "to", "email",
                             address, "from", "email", "ann@one.test", "subject", "S", "content", "type",
                             "text/plain", "value", "Hi");
    sendgrid_mail_read(&m, body, NOW);
    bool taken = !m.d.faults;
    sendgrid_mail_end(&m);
    json_decref(body);
    return taken;
}

static bool mailjet_takes(const char *address)
{
    struct mailjet_call m;
    json_t *body = json_pack("{s:[{s:{s:s},s:[{s:s}],s:s}]}", "Messages", "From", "Email", "ann@one.test",
                             "To", "Email", address, "TextPart", "Hi");
    mailjet_read(&m, body);
    bool taken = !m.d.faults;
    mailjet_end(&m);
    json_decref(body);
    return taken;
}

static bool ses_takes(const char *address)
{
    struct ses_mail m;
    json_t *body = json_pack("{s:s,s:{s:[s]},s:{s:{s:{s:s},s:{s:{s:s}}}}}", "FromEmailAddress",
                             "ann@one.test", "Destination", "ToAddresses", address, "Content", "Simple",
                             "Subject", "Data", "S", "Body", "Text", "Data", "Hi");
    ses_read_one(&m, body);
    bool taken = !m.d.faults;
    ses_mail_end(&m);
    json_decref(body);
    return taken;
}

/* A name is judged where it comes in, by every dialect in the same way. */
TEST(each_dialect_judges_addresses_alike)
{
#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN
    static const struct {
        const char *address;
        bool good;
    } cases[] = {{"bob@two.test", true},
                 {"Bob+x@TWO.test", true},
                 {"\"a b\"@two.test", true},
                 {"\"a\\\"b\"@two.test", true},
                 {"\303\251@b\303\274cher.test", true},
                 {"e\314\201@bu\314\210cher.test", true}, /* decomposed */
                 {"bob@xn--bcher-kva.test", true},
                 {SIXTY "aaaa@two.test", true},
                 {SIXTY "aaaaa@two.test", false}, /* RFC 5321 section 4.5.3.1.1 */
                 {"bob@" SIXTY "aaa.test", true},
                 {"bob@" SIXTY "aaaa.test", false}, /* RFC 1035 section 2.3.4 */
                 {"bob@" SIXTY "." SIXTY "." SIXTY "." SIXTY ".aaaaaaaaaa", false},
                 {"bob@xn--\303\274.test", false},
                 {"bob@a..test", false},
                 {"bob@two test", false},
                 {"bob@", false},
                 {"@two.test", false},
                 {"bob", false},
                 {"a b@two.test", false},
                 {"bob@two.test\r\nBcc: x@y.test", false},
                 {"bob@two.test, x@y.test", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *address = cases[i].address;
        bool got[] = {sendgrid_takes(address), mailjet_takes(address), ses_takes(address)};
        for (size_t k = 0; k < COUNT_OF(got); k++)
            if (got[k] != cases[i].good) test_fail(__FILE__, __LINE__, "%zu: %s", k, address);
    }
}
