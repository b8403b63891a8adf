/* mailjet_read.c - POST /v3.1/send taken apart: each message is a send with one letter. Pure. */
#include "base/text.h"
#include "mailjet.h"
#include "rt/rt.h"
#include "send/compose.h"

enum { MESSAGES_MAX = 50, PAYLOAD_MAX = 5000, CUSTOM_MAX = 255, RECIPIENTS_MAX = 50 };

json_t *mailjet_error(const char *code, int status, const char *sentence, const char *related)
{
    uint64_t id[2];
    char text[40];
    rt_random(id, sizeof id);
    snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(id[0] >> 32),
             (unsigned)(id[0] >> 16) & 0xffff, (unsigned)(id[0] & 0x0fff) | 0x4000,
             (unsigned)(id[1] >> 48 & 0x3fff) | 0x8000, (unsigned long long)(id[1] & 0xffffffffffff));
    json_t *v = json_pack("{s:s,s:s,s:i,s:s}", "ErrorIdentifier", text, "ErrorCode", code, "StatusCode",
                          status, "ErrorMessage", sentence);
    if (!related || !*related) return v;
    struct slice rest = sl_cstr(related), place;
    json_t *places = json_array();
    while (sl_next(&rest, ',', &place)) json_array_append_new(places, json_stringn(place.p, place.n));
    json_object_set_new(v, "ErrorRelatedTo", places);
    return v;
}

const char *mailjet_code(int e)
{
    switch (e) {
    case ERR_SYNTAX: return "mj-0004"; /* of another type */
    case ERR_NOT_FOUND: return "mj-0003";
    case ERR_TOO_LONG: return "mj-0006";
    case ERR_LIMIT: return "mj-0008"; /* too many of them */
    case ERR_DENIED: return "send-0011";
    default: return "mj-0005"; /* a value that is not allowed */
    }
}

static void gather(struct dialect *d, const char *path, int e, const char *sentence)
{
    struct mailjet_call *m = d->arg;
    json_t *to = m->at < m->n ? m->message[m->at].errors : m->errors;
    json_array_append_new(to, mailjet_error(m->code ? m->code : mailjet_code(e), 400, sentence, path));
}

/* A fault that has a code of its own. */
static void fault(struct dialect *d, const char *code, const char *path, const char *sentence)
{
    struct mailjet_call *m = d->arg;
    m->code = code;
    dialect_fault(d, path, ERR_SYNTAX, "%s", sentence);
    m->code = NULL;
}

/* It is not there, or empty; that it is of another type has been told. */
static void missing(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_array(v) && !json_array_size(v)) fault(d, "mj-0007", path, "The array must not be empty.");
    else if (json_is_string(v) && !json_string_length(v))
        fault(d, "mj-0012", path, "The value must not be empty.");
    else if (!v || json_is_null(v)) dialect_fault(d, path, ERR_NOT_FOUND, "Mandatory property missing.");
}

/* ---- pieces of a message ---- */

static bool address(struct dialect *d, const json_t *v, const char *path, struct send_addr *out)
{
    const char *at = dialect_at(d, path, "Email");
    if (!json_is_object(v)) {
        dialect_fault(d, path, ERR_SYNTAX, "Type mismatch. Expected type \"object\".");
        return false;
    }
    *out = (struct send_addr){.address = dialect_string(d, v, "Email", path),
                              .name = dialect_string(d, v, "Name", path)};
    if (!out->address.n) {
        missing(d, v, "Email", at);
        return false;
    }
    if (compose_check_address(&d->a, out->address, "the address") < 0) {
        struct slice shown = printable(&d->a, out->address, 100);
        fault(d, "mj-0013", at, ar_printf(&d->a, "\"%.*s\" is an invalid email address.", SLF(shown)).p);
        return false;
    }
    return dialect_ok(d, dialect_at(d, path, "Name"),
                      compose_check_text(out->name, COMPOSE_NAME_MAX, "The name"));
}

static void addresses(struct dialect *d, const json_t *o, const char *key, struct send_addrs *out)
{
    json_t *list = dialect_array(d, o, key, "", RECIPIENTS_MAX), *v;
    size_t i;
    out->v = ar_array(&d->a, struct send_addr, json_array_size(list));
    json_array_foreach(list, i, v)
        if (address(d, v, dialect_at_index(d, "", key, i), &out->v[out->n])) out->n++;
}

static struct slice text(struct dialect *d, const json_t *o, const char *key, size_t max)
{
    struct slice s = dialect_string(d, o, key, "");
    return dialect_ok(d, key, compose_check_text(s, max, key)) ? s : SL("");
}

static void files(struct dialect *d, const json_t *o, const char *key, bool in_text, struct send *s)
{
    json_t *list = dialect_array(d, o, key, "", SEND_FILES_MAX / 2), *v;
    size_t i;
    json_array_foreach(list, i, v) {
        const char *path = dialect_at_index(d, "", key, i);
        struct send_file *f = &s->file[s->nfiles++];
        f->type = dialect_string(d, v, "ContentType", path);
        f->name = dialect_string(d, v, "Filename", path);
        f->content_id = in_text ? dialect_string(d, v, "ContentID", path) : SL("");
        f->in_text = in_text;
        if (!f->type.n) missing(d, v, "ContentType", dialect_at(d, path, "ContentType"));
        else
            (void)dialect_ok(d, dialect_at(d, path, "ContentType"),
                             compose_check_type(&d->a, f->type, "The content type"));
        if (!f->name.n) missing(d, v, "Filename", dialect_at(d, path, "Filename"));
        (void)dialect_ok(d, dialect_at(d, path, "Filename"),
                         compose_check_text(f->name, COMPOSE_FILENAME_MAX, "The file name"));
        if (f->content_id.n)
            (void)dialect_ok(d, dialect_at(d, path, "ContentID"), compose_check_content_id(f->content_id));
        f->bytes = dialect_bytes(d, dialect_string(d, v, "Base64Content", path),
                                 dialect_at(d, path, "Base64Content"));
    }
}

static void parts(struct dialect *d, const json_t *o, struct mailjet_message *m)
{
    struct send *s = &m->s.send;
    struct slice plain = dialect_string(d, o, "TextPart", ""), html = dialect_string(d, o, "HTMLPart", "");
    s->part = ar_array(&d->a, struct send_part, 2);
    if (plain.n) s->part[s->nparts++] = (struct send_part){SL("text/plain"), plain};
    if (html.n) s->part[s->nparts++] = (struct send_part){SL("text/html"), html};
    m->template_id = dialect_integer(d, o, "TemplateID", "");
    if (!s->nparts && !m->template_id)
        fault(d, "send-0003", "HTMLPart,TextPart,TemplateID",
              "At least \"HTMLPart\", \"TextPart\" or \"TemplateID\" must be provided.");
}

/* "enabled", "disabled", "account_default". */
static unsigned tracks(struct dialect *d, const json_t *o, const char *key, unsigned option)
{
    struct slice s = dialect_string(d, o, key, "");
    if (!s.n || sl_eq(s, SL("account_default")) || sl_eq(s, SL("disabled"))) return 0;
    if (!sl_eq(s, SL("enabled")))
        fault(d, "mj-0005", key, "The value must be enabled, disabled or account_default.");
    return option;
}

static void options(struct dialect *d, const json_t *o, struct mailjet_message *m, bool sandbox)
{
    struct send *s = &m->s.send;
    json_t *report = dialect_object(d, o, "TemplateErrorReporting", "");
    if (report) (void)address(d, report, "TemplateErrorReporting", &m->report);
    s->options =
        tracks(d, o, "TrackOpens", SEND_TRACK_OPENS) | tracks(d, o, "TrackClicks", SEND_TRACK_CLICKS);
    if (sandbox) s->options |= SEND_SANDBOX;
    if (dialect_bool(d, o, "TemplateErrorDeliver", "")) s->options |= SEND_TEMPLATE_ERRORS_DELIVER;
    if (dialect_bool(d, o, "DeduplicateCampaign", ""))
        dialect_fault(d, "DeduplicateCampaign", ERR_UNSUPPORTED, "Deduplication is not supported here.");
    if (dialect_string(d, o, "URLTags", "").n)
        dialect_fault(d, "URLTags", ERR_UNSUPPORTED, "Tags are not added to links here.");
    s->language = dialect_bool(d, o, "TemplateLanguage", "") ? SEND_MAILJET : SEND_PLAIN;
    s->campaign = text(d, o, "CustomCampaign", SEND_WORD_MAX);
    s->stream = s->campaign.n ? STREAM_BULK : STREAM_TRANSACTIONAL;
}

static void headers(struct dialect *d, const json_t *o, const char *path, struct send_fields *out)
{
    json_t *v = dialect_object(d, o, "Headers", path);
    const char *at = dialect_at(d, path, "Headers");
    if (json_object_size(v) <= SEND_FIELDS_MAX) dialect_fields(d, v, at, out);
    else dialect_fault(d, at, ERR_LIMIT, "There may be %d headers.", SEND_FIELDS_MAX);
}

/* What Globals says of them lies under the message's own; it is made once, however many messages there are.
 */
static void variables(struct dialect *d, const json_t *globals, const json_t *o, struct mailjet_message *out)
{
    json_t *all = dialect_object(d, globals, "Variables", "Globals"),
           *own = dialect_object(d, o, "Variables", "");
    out->s.send.data = dialect_dump_once(d, all ? all : own);
    if (all && own) out->letter.data = dialect_dump(d, own);
}

static void message(struct mailjet_call *m, const json_t *globals, const json_t *o,
                    struct mailjet_message *out)
{
    struct dialect *d = &m->d;
    struct send *s = &out->s.send;
    struct send_letter *l = &out->letter;
    json_t *from = dialect_object(d, o, "From", ""), *reply = dialect_object(d, o, "ReplyTo", ""),
           *sender = dialect_object(d, o, "Sender", "");
    if (!from) missing(d, o, "From", "From");
    else (void)address(d, from, "From", &s->from);
    if (sender) (void)address(d, sender, "Sender", &s->sender);
    size_t before = d->faults;
    addresses(d, o, "To", &l->to);
    addresses(d, o, "Cc", &l->cc);
    addresses(d, o, "Bcc", &l->bcc);
    if (!l->to.n && !l->cc.n && !l->bcc.n && d->faults == before) missing(d, o, "To", "To");
    if (reply) {
        s->reply_to.v = ar_new(&d->a, struct send_addr);
        if (address(d, reply, "ReplyTo", s->reply_to.v)) s->reply_to.n = 1;
    }
    s->subject = text(d, o, "Subject", COMPOSE_VALUE_MAX);
    parts(d, o, out);
    s->file = ar_array(&d->a, struct send_file, SEND_FILES_MAX);
    files(d, o, "Attachments", false, s);
    files(d, o, "InlinedAttachments", true, s);
    headers(d, globals, "Globals", &s->fields);
    headers(d, o, "", &l->fields);
    variables(d, globals, o, out);
    s->payload = dialect_string(d, o, "EventPayload", ""); /* it comes back with events, in no header */
    if (s->payload.n > PAYLOAD_MAX)
        dialect_fault(d, "EventPayload", ERR_TOO_LONG, "EventPayload is longer than %d bytes", PAYLOAD_MAX);
    l->custom = text(d, o, "CustomID", CUSTOM_MAX);
    options(d, o, out, m->sandbox);
    out->s.letter = l;
    out->s.nletters = 1;
}

/* ---- what Globals says for all messages ---- */

enum { LIST_MOST = 1000 }; /* longer ones are refused in any case */
enum how { INSTEAD, MEMBERS, BEFORE };

/* An address of the message's own, what it lacks from the one of all. A new reference. */
static json_t *with_members(const json_t *all, const json_t *own)
{
    static const char *const names[] = {"Email", "Name"};
    json_t *o = json_object();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        json_t *v = json_object_get(own, names[i]);
        if (!v) v = json_object_get(all, names[i]);
        if (v) json_object_set(o, names[i], v);
    }
    return o;
}

static json_t *one_behind_other(json_t *all, json_t *own)
{
    json_t *v = json_array();
    json_array_extend(v, all);
    json_array_extend(v, own);
    return v;
}

static json_t *both(enum how how, json_t *all, json_t *own)
{
    if (how == MEMBERS && json_is_object(all) && json_is_object(own)) return with_members(all, own);
    if (how != BEFORE || !json_is_array(all) || !json_is_array(own)) return json_incref(own);
    if (json_array_size(all) > LIST_MOST) return json_incref(all);
    return json_array_size(own) > LIST_MOST ? json_incref(own) : one_behind_other(all, own);
}

/* The message with what Globals says for all, but for To, Headers and Variables. A new reference. */
static json_t *with_globals(const json_t *globals, const json_t *o)
{
    static const struct {
        const char *name;
        enum how how;
    } of[] = {{"From", MEMBERS},
              {"Sender", MEMBERS},
              {"ReplyTo", MEMBERS},
              {"TemplateErrorReporting", MEMBERS},
              {"Cc", BEFORE},
              {"Bcc", BEFORE},
              {"Attachments", BEFORE},
              {"InlinedAttachments", BEFORE},
              {"Subject", INSTEAD},
              {"TextPart", INSTEAD},
              {"HTMLPart", INSTEAD},
              {"TemplateID", INSTEAD},
              {"TemplateLanguage", INSTEAD},
              {"TemplateErrorDeliver", INSTEAD},
              {"CustomCampaign", INSTEAD},
              {"DeduplicateCampaign", INSTEAD},
              {"TrackOpens", INSTEAD},
              {"TrackClicks", INSTEAD},
              {"CustomID", INSTEAD},
              {"EventPayload", INSTEAD},
              {"URLTags", INSTEAD}};
    json_t *out = json_copy((json_t *)o);
    for (size_t i = 0; globals && i < COUNT_OF(of); i++) {
        json_t *all = json_object_get(globals, of[i].name), *own = json_object_get(o, of[i].name);
        if (all && own) json_object_set_new(out, of[i].name, both(of[i].how, all, own));
        else if (all) json_object_set(out, of[i].name, all);
    }
    return out;
}

void mailjet_read(struct mailjet_call *m, const json_t *body)
{
    *m = (struct mailjet_call){.errors = json_array(), .at = SIZE_MAX};
    dialect_begin(&m->d, gather, m);
    m->d.brackets = true;
    m->sandbox = dialect_bool(&m->d, body, "SandboxMode", "");
    json_t *list = dialect_array(&m->d, body, "Messages", "", MESSAGES_MAX), *o,
           *globals = dialect_object(&m->d, body, "Globals", "");
    if (!json_array_size(list)) {
        if (!m->d.faults) missing(&m->d, body, "Messages", "Messages");
        return;
    }
    m->n = json_array_size(list);
    m->message = ar_array(&m->d.a, struct mailjet_message, m->n);
    json_array_foreach(list, m->at, o) {
        struct mailjet_message *one = &m->message[m->at];
        one->errors = json_array();
        one->json = json_is_object(o) ? with_globals(globals, o) : NULL;
        if (one->json) message(m, globals, one->json, one);
        else dialect_fault(&m->d, "", ERR_SYNTAX, "Type mismatch. Expected type \"object\".");
    }
}

void mailjet_end(struct mailjet_call *m)
{
    for (size_t i = 0; i < m->n; i++) {
        json_decref(m->message[i].errors);
        json_decref(m->message[i].json);
    }
    json_decref(m->errors);
    dialect_end(&m->d);
}
