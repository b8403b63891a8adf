/* dsn_languages.c - what a delivery report says to people, in each language, and which one the sender
 * reads. "{}" in a sentence is filled in. For each cause: what happened and whose matter it is; what
 * the sender can do. */
#include "base/civil.h"
#include "base/text.h"
#include "date.h"
#include "dsn_i.h"

static struct slice english_date(struct arena *a, int64_t t)
{
    char date[MAIL_DATE_MAX];
    return ar_dup(a, sl_cstr(mail_date_format(t, 0, date)));
}

static struct slice vietnamese_date(struct arena *a, int64_t t)
{
    struct civil c = civil_from_unix(t);
    return ar_printf(a, "%02d:%02d ngày %d/%d/%d (giờ UTC)", c.hour, c.minute, c.day, c.month, c.year);
}

static const struct dsn_language languages[] = {
    {
        .tag = "en",
        .date = english_date,
        .subject = {[DSN_FAILED] = "Not delivered to {}",
                    [DSN_DELAYED] = "Not yet delivered to {}",
                    [DSN_DELIVERED] = "Delivered to {}",
                    [DSN_RELAYED] = "Passed on to {}",
                    [DSN_EXPANDED] = "Passed on to several: {}"},
        .recipients = "{} recipients",
        .intro = "This is the mail server {}, about a letter that you sent.",
        .arrived = "It arrived here on {}.",
        .opening = {[DSN_FAILED] = "To {}: the letter could not be delivered.",
                    [DSN_DELAYED] =
                        "To {}: the letter has not been delivered yet; this server goes on trying.",
                    [DSN_DELIVERED] = "To {}: the letter was delivered.",
                    [DSN_RELAYED] =
                        "To {}: the letter was passed on to a server that sends no reports of its own.",
                    [DSN_EXPANDED] = "To {}: the letter was passed on to the members of a list or an alias."},
        .gave_up = "This server tried until {} and gave up then.",
        .tries_until =
            "You need not do anything: this server tries until {} and tells you if it does not succeed.",
        .tries = "You need not do anything: you will be told if it does not succeed.",
        .can = "What you can do: {}",
        .said = "The server {} said:",
        .reason = "The reason given was:",
        .whole = "The letter itself is attached.",
        .head = "The head of your letter is attached.",
        .number = "Its number here is {}.",
        .cause =
            {[DSN_CAUSE_UNKNOWN] =
                 {"The letter was not taken; what was said about it, below, is all that is known.",
                  "If it was important, try again later or reach the recipient by another way."},
             [DSN_CAUSE_INVALID] =
                 {"There is no such address at the recipient's server: the matter is the address.",
                  "Look for a typing error in the part before the @. If it is right, the mailbox does not "
                  "exist (any more): ask the recipient by another way for the present address."},
             [DSN_CAUSE_NO_DOMAIN] =
                 {"No mail server is known for the domain of the address: the matter is the address.",
                  "Look for a typing error in the part after the @, correct it and send the letter again."},
             [DSN_CAUSE_NO_MAIL] = {"The domain of the address says that it receives no mail.",
                                    "Use another address of the recipient."},
             [DSN_CAUSE_BAD_ADDRESS] = {"The address is not written as an address has to be.",
                                        "Correct the address and send the letter again."},
             [DSN_CAUSE_INACTIVE] = {"The recipient's mailbox is switched off or not used any more. Only the "
                                     "recipient can change that.",
                                     "Reach the recipient by another way and ask for another address."},
             [DSN_CAUSE_FULL] =
                 {"The recipient's mailbox is full. Only the recipient can change that.",
                  "Ask the recipient by another way to make room, then send the letter again."},
             [DSN_CAUSE_POLICY] = {"A rule of the recipient's server refuses the letter; the address may "
                                   "well be right. Those who run that server made the rule.",
                                   "Show this report, whose last words may say which rule it is, to the "
                                   "recipient or to your mail administrator."},
             [DSN_CAUSE_AUTH] =
                 {"The recipient's server could not verify that the letter comes from your domain (SPF, DKIM "
                  "or DMARC). The matter is how your domain is set up, not the recipient's address.",
                  "Show this report to your mail administrator, and send the letter again when that is "
                  "mended."},
             [DSN_CAUSE_REPUTATION] = {"The recipient's server distrusts the server that the letter came "
                                       "from: its reputation is in doubt, or it stands on a block list. That "
                                       "is a matter of our side, not of the recipient's address.",
                                       "Show this report to your mail administrator; meanwhile reach the "
                                       "recipient by another way."},
             [DSN_CAUSE_CONTENT] =
                 {"The recipient's server took the letter for spam or for harmful, or could not read its "
                  "form. The matter is what the letter holds, not the address.",
                  "Send it again with fewer links and without risky attachments, or ask the recipient by "
                  "another way to let your letters in."},
             [DSN_CAUSE_RATE] =
                 {"The recipient's server has got too much mail in a short time and takes no more for now. "
                  "The matter is how much is sent, not the address.",
                  "Send the letter again in some hours, and a letter to many in smaller portions."},
             [DSN_CAUSE_GREYLIST] =
                 {"The recipient's server asks senders whom it does not know to come back later. That is a "
                  "habit of that server, nothing is wrong with the address.",
                  "Send the letter again in some hours, or reach the recipient by another way."},
             [DSN_CAUSE_SIZE] =
                 {"The letter is too large for the recipient's server: the matter is the letter.",
                  "Send less, or put large files where they can be fetched from and send a link."},
             [DSN_CAUSE_FORM] =
                 {"The recipient's server cannot take a letter in this form: the matter is the letter.",
                  "Send it as plain text or with simple attachments, from and to addresses in plain Latin "
                  "letters."},
             [DSN_CAUSE_TLS] = {"The recipient's server and ours did not agree on an encrypted connection. "
                                "That is a matter of the two servers, not of the address.",
                                "Show this report to your mail administrator; meanwhile reach the recipient "
                                "by another way."},
             [DSN_CAUSE_DNS] =
                 {"The recipient's server does not accept how your domain or our server is named in the DNS. "
                  "That is a matter of our side, not of the recipient's address.",
                  "Show this report to your mail administrator, and send the letter again when that is "
                  "mended."},
             [DSN_CAUSE_RELAY] =
                 {"The server that is named for the recipient's domain says that it takes no mail for this "
                  "domain, or none from us. That is a matter of how the servers are set up.",
                  "Look for a typing error in the part after the @. If it is right, tell the recipient by "
                  "another way, or your mail administrator."},
             [DSN_CAUSE_PROTOCOL] =
                 {"The recipient's server and ours did not understand each other. That is a matter of the "
                  "two servers, not of the address.",
                  "Try again later; if it happens again, show this report to your mail administrator."},
             [DSN_CAUSE_NETWORK] =
                 {"The recipient's server could not be reached, did not answer in time, or the connection "
                  "broke. That is a matter of that server or of the way to it.",
                  "Look for a typing error in the part after the @. If it is right, try again later or reach "
                  "the recipient by another way."},
             [DSN_CAUSE_TEMPORARY] = {"The recipient's server has a trouble of its own; neither the address "
                                      "nor the letter is to blame.",
                                      "Send the letter again later, or reach the recipient by another way."},
             [DSN_CAUSE_LOOP] =
                 {"The letter went in a circle between servers. That is a matter of how they are set up.",
                  "Tell the recipient's mail administrator or your own."}},
    },
    {
        .tag = "vi",
        .date = vietnamese_date,
        .subject = {[DSN_FAILED] = "Không gửi được thư tới {}",
                    [DSN_DELAYED] = "Chưa gửi được thư tới {}",
                    [DSN_DELIVERED] = "Đã giao thư tới {}",
                    [DSN_RELAYED] = "Đã chuyển tiếp thư tới {}",
                    [DSN_EXPANDED] = "Đã chuyển tiếp thư tới nhiều người: {}"},
        .recipients = "{} người nhận",
        .intro = "Đây là máy chủ thư {}, báo về một lá thư mà bạn đã gửi.",
        .arrived = "Thư đến máy chủ này lúc {}.",
        .opening = {[DSN_FAILED] = "Tới {}: không gửi được thư.",
                    [DSN_DELAYED] = "Tới {}: chưa gửi được thư; máy chủ này vẫn tiếp tục thử.",
                    [DSN_DELIVERED] = "Tới {}: thư đã được giao.",
                    [DSN_RELAYED] = "Tới {}: thư đã được chuyển tiếp tới một máy chủ không gửi báo cáo.",
                    [DSN_EXPANDED] =
                        "Tới {}: thư đã được chuyển tiếp tới các thành viên của một danh sách hay bí danh."},
        .gave_up = "Máy chủ này đã thử đến {} rồi dừng lại.",
        .tries_until = "Bạn không cần làm gì: máy chủ này sẽ thử đến {} và báo cho bạn nếu không thành công.",
        .tries = "Bạn không cần làm gì: bạn sẽ được báo nếu không thành công.",
        .can = "Việc bạn có thể làm: {}",
        .said = "Máy chủ {} trả lời:",
        .reason = "Lý do được đưa ra:",
        .whole = "Toàn bộ lá thư được đính kèm.",
        .head = "Phần đầu lá thư của bạn được đính kèm.",
        .number = "Mã số của thư tại đây là {}.",
        .cause =
            {[DSN_CAUSE_UNKNOWN] =
                 {"Thư không được nhận; nội dung ghi bên dưới là tất cả những gì được biết.",
                  "Nếu thư quan trọng, hãy thử lại sau hoặc liên lạc với người nhận bằng cách khác."},
             [DSN_CAUSE_INVALID] =
                 {"Máy chủ của người nhận không có địa chỉ này: vấn đề nằm ở địa chỉ.",
                  "Hãy xem phần trước dấu @ có gõ sai không. Nếu đúng, hộp thư không tồn tại (hoặc không còn "
                  "nữa): hãy hỏi người nhận địa chỉ hiện nay bằng cách khác."},
             [DSN_CAUSE_NO_DOMAIN] =
                 {"Không tìm thấy máy chủ thư nào cho tên miền của địa chỉ này: vấn đề nằm ở địa chỉ.",
                  "Hãy xem phần sau dấu @ có gõ sai không, sửa lại và gửi lại thư."},
             [DSN_CAUSE_NO_MAIL] = {"Tên miền của địa chỉ này cho biết nó không nhận thư.",
                                    "Hãy dùng một địa chỉ khác của người nhận."},
             [DSN_CAUSE_BAD_ADDRESS] = {"Địa chỉ không được viết đúng dạng của một địa chỉ thư.",
                                        "Hãy sửa địa chỉ và gửi lại thư."},
             [DSN_CAUSE_INACTIVE] = {"Hộp thư của người nhận đã bị tắt hoặc không còn được dùng. Chỉ người "
                                     "nhận mới thay đổi được điều đó.",
                                     "Hãy liên lạc với người nhận bằng cách khác và hỏi một địa chỉ khác."},
             [DSN_CAUSE_FULL] = {"Hộp thư của người nhận đã đầy. Chỉ người nhận mới thay đổi được điều đó.",
                                 "Hãy báo người nhận bằng cách khác để họ dọn hộp thư, rồi gửi lại thư."},
             [DSN_CAUSE_POLICY] = {"Một quy định của máy chủ bên nhận từ chối lá thư; địa chỉ có thể vẫn "
                                   "đúng. Quy định đó do những người quản lý máy chủ ấy đặt ra.",
                                   "Hãy đưa báo cáo này, trong đó câu trả lời bên dưới có thể nói rõ quy "
                                   "định nào, cho người nhận hoặc người quản trị thư của bạn xem."},
             [DSN_CAUSE_AUTH] =
                 {"Máy chủ bên nhận không xác minh được rằng thư đến từ tên miền của bạn (SPF, DKIM hoặc "
                  "DMARC). Vấn đề nằm ở cách thiết lập tên miền của bạn, không phải ở địa chỉ người nhận.",
                  "Hãy đưa báo cáo này cho người quản trị thư của bạn, và gửi lại thư khi đã sửa xong."},
             [DSN_CAUSE_REPUTATION] =
                 {"Máy chủ bên nhận không tin cậy máy chủ đã gửi thư: uy tín của nó bị nghi ngờ, hoặc nó nằm "
                  "trong danh sách chặn. Đó là việc của phía chúng tôi, không phải do địa chỉ người nhận.",
                  "Hãy đưa báo cáo này cho người quản trị thư của bạn; trong khi chờ, hãy liên lạc với người "
                  "nhận bằng cách khác."},
             [DSN_CAUSE_CONTENT] = {"Máy chủ bên nhận cho rằng thư là thư rác hay có hại, hoặc không đọc "
                                    "được dạng của thư. Vấn đề nằm ở nội dung thư, không phải ở địa chỉ.",
                                    "Hãy gửi lại với ít liên kết hơn và không có tệp đính kèm đáng ngờ, hoặc "
                                    "nhờ người nhận, bằng cách khác, cho phép thư của bạn."},
             [DSN_CAUSE_RATE] =
                 {"Máy chủ bên nhận đã nhận quá nhiều thư trong thời gian ngắn và tạm thời không nhận thêm. "
                  "Vấn đề nằm ở lượng thư gửi đi, không phải ở địa chỉ.",
                  "Hãy gửi lại thư sau vài giờ; thư cho nhiều người thì nên chia thành từng phần nhỏ."},
             [DSN_CAUSE_GREYLIST] =
                 {"Máy chủ bên nhận yêu cầu những người gửi mà nó chưa biết quay lại sau. Đó là cách làm của "
                  "máy chủ ấy, địa chỉ không có gì sai.",
                  "Hãy gửi lại thư sau vài giờ, hoặc liên lạc với người nhận bằng cách khác."},
             [DSN_CAUSE_SIZE] = {"Thư quá lớn đối với máy chủ bên nhận: vấn đề nằm ở lá thư.",
                                 "Hãy gửi ít hơn, hoặc đặt các tệp lớn ở nơi có thể tải về và gửi liên kết."},
             [DSN_CAUSE_FORM] = {"Máy chủ bên nhận không nhận được thư ở dạng này: vấn đề nằm ở lá thư.",
                                 "Hãy gửi dưới dạng văn bản thuần hoặc với tệp đính kèm đơn giản, và dùng "
                                 "địa chỉ chỉ gồm chữ Latinh không dấu."},
             [DSN_CAUSE_TLS] = {"Máy chủ bên nhận và máy chủ của chúng tôi không thoả thuận được một kết nối "
                                "mã hoá. Đó là việc của hai máy chủ, không phải do địa chỉ.",
                                "Hãy đưa báo cáo này cho người quản trị thư của bạn; trong khi chờ, hãy liên "
                                "lạc với người nhận bằng cách khác."},
             [DSN_CAUSE_DNS] =
                 {"Máy chủ bên nhận không chấp nhận các bản ghi DNS của tên miền của bạn hoặc của máy chủ "
                  "chúng tôi. Đó là việc của phía chúng tôi, không phải do địa chỉ người nhận.",
                  "Hãy đưa báo cáo này cho người quản trị thư của bạn, và gửi lại thư khi đã sửa xong."},
             [DSN_CAUSE_RELAY] =
                 {"Máy chủ được ghi cho tên miền của người nhận nói rằng nó không nhận thư cho tên miền này, "
                  "hoặc không nhận từ chúng tôi. Đó là việc thiết lập các máy chủ.",
                  "Hãy xem phần sau dấu @ có gõ sai không. Nếu đúng, hãy báo cho người nhận bằng cách khác, "
                  "hoặc cho người quản trị thư của bạn."},
             [DSN_CAUSE_PROTOCOL] =
                 {"Máy chủ bên nhận và máy chủ của chúng tôi không hiểu nhau. Đó là việc của hai máy chủ, "
                  "không phải do địa chỉ.",
                  "Hãy thử lại sau; nếu vẫn như vậy, hãy đưa báo cáo này cho người quản trị thư của bạn."},
             [DSN_CAUSE_NETWORK] =
                 {"Không kết nối được với máy chủ bên nhận, nó không trả lời kịp thời, hoặc kết nối bị đứt. "
                  "Đó là việc của máy chủ ấy hoặc của đường truyền tới nó.",
                  "Hãy xem phần sau dấu @ có gõ sai không. Nếu đúng, hãy thử lại sau hoặc liên lạc với người "
                  "nhận bằng cách khác."},
             [DSN_CAUSE_TEMPORARY] =
                 {"Máy chủ bên nhận đang gặp trục trặc riêng; không phải lỗi của địa chỉ hay của lá thư.",
                  "Hãy gửi lại thư sau, hoặc liên lạc với người nhận bằng cách khác."},
             [DSN_CAUSE_LOOP] = {"Thư đã đi vòng quanh giữa các máy chủ. Đó là việc thiết lập các máy chủ.",
                                 "Hãy báo cho người quản trị thư của bên nhận hoặc của bạn."}},
    },
};

/* ---- which one ---- */

enum { FIELD_MAX = 1000, TAGS_MAX = 20 };

/* The language itself, whatever its region or script ("vi-VN", "vi"); NULL: none of ours. */
static const struct dsn_language *spoken(struct slice tag)
{
    size_t n = 0;
    while (n < tag.n && is_alpha(tag.p[n])) n++;
    for (size_t i = 0; i < COUNT_OF(languages); i++)
        if (sl_eqi(sl_sub(tag, 0, n), sl_cstr(languages[i].tag))) return &languages[i];
    return NULL;
}

/* ";q=0.8" in thousandths; 1000 where there is none or it cannot be read (RFC 3282 section 3). */
static unsigned quality(struct slice params)
{
    size_t at = sl_findi(params, SL("q="));
    struct slice q = at == SL_NONE ? SL("") : sl_trim(sl_from(params, at + 2));
    if (!q.n || q.p[0] != '0') return 1000;
    unsigned value = 0, unit = 100;
    for (size_t i = 2; i < q.n && unit && is_digit(q.p[i]); i++, unit /= 10)
        value += unit * (unsigned)(q.p[i] - '0');
    return value;
}

/* The language of ours that the field prefers, the first of equals; NULL: it names none. */
static const struct dsn_language *preferred(struct arena *a, const struct mail_head *h, struct slice name)
{
    struct slice rest = sl_sub(mail_head_get(a, h, name, NULL), 0, FIELD_MAX), one;
    const struct dsn_language *best = NULL;
    unsigned best_quality = 0;
    for (int i = 0; i < TAGS_MAX && sl_next(&rest, ',', &one); i++) {
        struct slice tag;
        sl_next(&one, ';', &tag);
        const struct dsn_language *l = spoken(sl_trim(tag));
        unsigned q = quality(one);
        if (l && q > best_quality) best = l, best_quality = q;
    }
    return best;
}

const struct dsn_language *dsn_language(struct arena *a, const struct mail_head *h)
{
    const struct dsn_language *l = preferred(a, h, SL("Accept-Language"));
    if (!l) l = preferred(a, h, SL("Content-Language"));
    return l ? l : &languages[0];
}

struct slice dsn_fill(struct arena *a, const char *sentence, struct slice what)
{
    struct slice s = sl_cstr(sentence);
    size_t at = sl_find(s, SL("{}"));
    if (at == SL_NONE) return s;
    return ar_cat(a, ar_cat(a, sl_sub(s, 0, at), what), sl_from(s, at + 2));
}
