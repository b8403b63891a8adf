/* dsn_vi.c - what a delivery report says to people, in Vietnamese (NFC). */
#include "base/civil.h"
#include "dsn_i.h"

static struct slice date(struct arena *a, int64_t t)
{
    struct civil c = civil_from_unix(t);
    return ar_printf(a, "%02d:%02d ngày %d/%d/%d (giờ UTC)", c.hour, c.minute, c.day, c.month, c.year);
}

const struct dsn_language dsn_vi = {
    .tag = "vi",
    .date = date,
    .subject = {[DSN_FAILED] = "Không gửi được thư tới {}",
                [DSN_DELAYED] = "Chưa gửi được thư tới {}",
                [DSN_DELIVERED] = "Đã giao thư tới {}",
                [DSN_RELAYED] = "Đã chuyển tiếp thư tới {}",
                [DSN_EXPANDED] = "Đã chuyển tiếp thư tới nhiều người: {}"},
    .recipients = "{} người nhận",
    .intro = "Đây là thông báo của máy chủ thư {} về một lá thư mà bạn đã gửi.",
    .arrived = "Thư đến máy chủ này lúc {}.",
    .opening = {[DSN_FAILED] = "Tới {}: không gửi được thư.",
                [DSN_DELAYED] = "Tới {}: chưa gửi được thư; máy chủ này vẫn tiếp tục thử.",
                [DSN_DELIVERED] = "Tới {}: thư đã được giao.",
                [DSN_RELAYED] = "Tới {}: thư đã được chuyển tiếp tới một máy chủ không gửi báo cáo.",
                [DSN_EXPANDED] =
                    "Tới {}: thư đã được chuyển tiếp tới các thành viên của một danh sách hay bí danh."},
    .gave_up = "Máy chủ này đã thử cho đến {} rồi dừng lại.",
    .tries_until = "Bạn không cần làm gì: máy chủ này sẽ thử cho đến {} và báo cho bạn nếu không thành công.",
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
              "Hãy xem phần trước dấu @ có gõ sai không. Nếu không sai thì hộp thư không tồn tại (hoặc không "
              "còn nữa): hãy hỏi người nhận địa chỉ hiện nay bằng cách khác."},
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
         [DSN_CAUSE_POLICY] = {"Một quy định của máy chủ bên nhận từ chối lá thư; địa chỉ có thể vẫn đúng. "
                               "Quy định đó do những người quản lý máy chủ ấy đặt ra.",
                               "Hãy đưa báo cáo này cho người nhận hoặc người quản trị thư của bạn xem; câu "
                               "trả lời ghi bên dưới có thể nói rõ đó là quy định nào."},
         [DSN_CAUSE_AUTH] =
             {"Máy chủ bên nhận không xác minh được rằng thư đến từ tên miền của bạn (SPF, DKIM hoặc "
              "DMARC). Vấn đề nằm ở cách thiết lập tên miền của bạn, không phải ở địa chỉ người nhận.",
              "Hãy đưa báo cáo này cho người quản trị thư của bạn, và gửi lại thư khi đã sửa xong."},
         [DSN_CAUSE_REPUTATION] =
             {"Máy chủ bên nhận không tin cậy máy chủ đã gửi thư: uy tín của nó bị nghi ngờ, hoặc nó nằm "
              "trong danh sách chặn. Đó là việc của phía chúng tôi, không phải do địa chỉ người nhận.",
              "Hãy đưa báo cáo này cho người quản trị thư của bạn; trong khi chờ, hãy liên lạc với người "
              "nhận bằng cách khác."},
         [DSN_CAUSE_CONTENT] = {"Máy chủ bên nhận cho rằng thư là thư rác hay có hại, hoặc không đọc được "
                                "định dạng của thư. Vấn đề nằm ở nội dung thư, không phải ở địa chỉ.",
                                "Hãy gửi lại với ít liên kết hơn và không có tệp đính kèm đáng ngờ, hoặc "
                                "liên lạc bằng cách khác để nhờ người nhận cho phép thư của bạn."},
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
         [DSN_CAUSE_FORM] = {"Máy chủ bên nhận không nhận được thư ở định dạng này: vấn đề nằm ở lá thư.",
                             "Hãy gửi dưới dạng văn bản thuần hoặc với tệp đính kèm đơn giản, và dùng địa "
                             "chỉ chỉ gồm chữ Latinh không dấu."},
         [DSN_CAUSE_TLS] = {"Máy chủ bên nhận và máy chủ của chúng tôi không thoả thuận được một kết nối "
                            "mã hoá. Đó là việc của hai máy chủ, không phải do địa chỉ.",
                            "Hãy đưa báo cáo này cho người quản trị thư của bạn; trong khi chờ, hãy liên "
                            "lạc với người nhận bằng cách khác."},
         [DSN_CAUSE_DNS] =
             {"Máy chủ bên nhận không chấp nhận các bản ghi DNS của tên miền của bạn hoặc của máy chủ "
              "chúng tôi. Đó là việc của phía chúng tôi, không phải do địa chỉ người nhận.",
              "Hãy đưa báo cáo này cho người quản trị thư của bạn, và gửi lại thư khi đã sửa xong."},
         [DSN_CAUSE_RELAY] =
             {"Máy chủ được khai báo cho tên miền của người nhận trả lời rằng nó không nhận thư cho tên miền "
              "này, hoặc không nhận từ chúng tôi. Nguyên nhân là cách thiết lập các máy chủ.",
              "Hãy xem phần sau dấu @ có gõ sai không. Nếu đúng, hãy báo cho người nhận bằng cách khác, hoặc "
              "cho người quản trị thư của bạn."},
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
             {"Máy chủ bên nhận đang gặp trục trặc; không phải lỗi của địa chỉ hay của lá thư.",
              "Hãy gửi lại thư sau, hoặc liên lạc với người nhận bằng cách khác."},
         [DSN_CAUSE_LOOP] =
             {"Thư đã đi vòng quanh giữa các máy chủ. Nguyên nhân là cách thiết lập các máy chủ.",
              "Hãy báo cho người quản trị thư của bên nhận hoặc của bạn."}},
};
