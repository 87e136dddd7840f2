#include "wire/rpc/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "proto/hdfs/ipc.pb.h"
#include "wire/rpc/remote_exception.h"
#include "wire/rpc/test_frames.h"

namespace cairn::rpc {
namespace {

using testing::HasSubstr;
using Next = Session::Next;

class SessionTest : public testing::Test {
 protected:
  Next Feed(absl::string_view frame) {
    out_.Clear();
    return session_.OnFrame(frame.substr(kLengthBytes), &call_, &out_);
  }
  Next FeedPreamble(absl::string_view bytes) {
    out_.Clear();
    return session_.OnPreamble(bytes, &out_);
  }
  Next FeedControl(int32_t call_id, const google::protobuf::MessageLite& message) {
    OutBuffer frame;
    EncodeControl({.rpc_kind = 2, .rpc_op = 0, .call_id = call_id}, &message, &frame);
    return Feed(frame.view());
  }
  Next FeedContext(absl::string_view user, absl::string_view real_user = "") {
    hdfs::IpcConnectionContextProto context;
    context.mutable_userinfo()->set_effectiveuser(std::string(user));
    if (!real_user.empty()) context.mutable_userinfo()->set_realuser(std::string(real_user));
    return FeedControl(kCallIdContext, context);
  }
  void Establish() {
    ASSERT_EQ(FeedPreamble(kSimplePreamble), Next::kContinue);
    ASSERT_EQ(Feed(ContextFrame()), Next::kContinue);
    ASSERT_TRUE(session_.established());
  }
  void ExpectFatal(Next next, RpcErrorCode code, absl::string_view class_name, int32_t call_id) {
    EXPECT_EQ(next, Next::kCloseAfterReply);
    TestResponse response;
    ASSERT_TRUE(ParseResponse(out_.view().substr(kLengthBytes), &response));
    EXPECT_EQ(response.header.status, RpcStatus::kFatal);
    EXPECT_EQ(response.header.error_code, code) << response.header.error_message;
    EXPECT_EQ(response.header.exception_class, class_name);
    EXPECT_EQ(response.header.call_id, call_id);
    EXPECT_EQ(response.body, "");
    text_ = std::string(response.header.error_message);
  }

  ProxyCheck proxy_check_;
  Session session_{"127.0.0.1", proxy_check_};
  IncomingCall call_;
  OutBuffer out_;
  std::string text_;
};

TEST_F(SessionTest, SimpleClientGetsItsCallsServed) {
  Establish();
  EXPECT_EQ(session_.principal().user, "alice");
  EXPECT_EQ(session_.principal().real_user, "");
  const std::string frame = NotFoundCall();
  EXPECT_EQ(Feed(frame), Next::kCall);
  EXPECT_EQ(call_.method.method, "getFileInfo");
  EXPECT_EQ(call_.request, Hex("0a 02 2f 78"));
  EXPECT_TRUE(out_.empty());
}

TEST_F(SessionTest, SaslClientIsToldToGoOnWithoutIt) {
  EXPECT_EQ(FeedPreamble(kSaslPreamble), Next::kContinue);
  EXPECT_EQ(Feed(NegotiateFrame()), Next::kContinue);
  EXPECT_EQ(out_.view(), SaslSuccessAnswer());
  EXPECT_EQ(Feed(ContextFrame()), Next::kContinue);
  EXPECT_TRUE(session_.established());
}

TEST_F(SessionTest, SaslInitiateSimpleNeedsNoAnswer) {
  FeedPreamble(kSaslPreamble);
  hdfs::RpcSaslProto initiate;
  initiate.set_state(hdfs::RpcSaslProto::INITIATE);
  initiate.add_auths()->set_method("SIMPLE");
  initiate.mutable_auths(0)->set_mechanism("");
  EXPECT_EQ(FeedControl(kCallIdSasl, initiate), Next::kContinue);
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(Feed(ContextFrame()), Next::kContinue);
  EXPECT_TRUE(session_.established());
}

TEST_F(SessionTest, SaslInitiateOfAnotherKindIsOfferedSimpleOnce) {
  FeedPreamble(kSaslPreamble);
  hdfs::RpcSaslProto initiate;
  initiate.set_state(hdfs::RpcSaslProto::INITIATE);
  initiate.add_auths()->set_method("TOKEN");
  initiate.mutable_auths(0)->set_mechanism("DIGEST-MD5");
  EXPECT_EQ(FeedControl(kCallIdSasl, initiate), Next::kContinue);
  TestResponse response;
  ASSERT_TRUE(ParseResponse(out_.view().substr(kLengthBytes), &response));
  EXPECT_EQ(response.header.call_id, kCallIdSasl);
  absl::string_view body;
  ASSERT_TRUE(TakeDelimited(&response.body, &body));
  hdfs::RpcSaslProto offer;
  ASSERT_TRUE(offer.ParseFromArray(body.data(), static_cast<int>(body.size())));
  EXPECT_EQ(offer.state(), hdfs::RpcSaslProto::NEGOTIATE);
  ASSERT_EQ(offer.auths_size(), 1);
  EXPECT_EQ(offer.auths(0).method(), "SIMPLE");
  ExpectFatal(FeedControl(kCallIdSasl, initiate), RpcErrorCode::kFatalUnauthorized,
              kAccessControlException, kCallIdSasl);
}

TEST_F(SessionTest, SaslInitiateWithoutOneMechanismIsFatal) {
  FeedPreamble(kSaslPreamble);
  hdfs::RpcSaslProto initiate;
  initiate.set_state(hdfs::RpcSaslProto::INITIATE);
  ExpectFatal(FeedControl(kCallIdSasl, initiate), RpcErrorCode::kFatalUnauthorized, kSaslException,
              kCallIdSasl);
}

TEST_F(SessionTest, SaslInTheWrongPlaceIsFatal) {
  FeedPreamble(kSimplePreamble);
  ExpectFatal(Feed(NegotiateFrame()), RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException,
              kCallIdSasl);
}

TEST_F(SessionTest, SaslAfterItsEndIsFatal) {
  FeedPreamble(kSaslPreamble);
  Feed(NegotiateFrame());
  ExpectFatal(Feed(NegotiateFrame()), RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException,
              kCallIdSasl);
}

TEST_F(SessionTest, ContextBeforeSaslSuccessIsFatal) {
  FeedPreamble(kSaslPreamble);
  ExpectFatal(Feed(ContextFrame()), RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException,
              kCallIdContext);
}

TEST_F(SessionTest, SecondContextIsFatal) {
  Establish();
  ExpectFatal(Feed(ContextFrame("mallory")), RpcErrorCode::kFatalInvalidRpcHeader,
              kRpcServerException, kCallIdContext);
  EXPECT_EQ(session_.principal().user, "alice");
}

TEST_F(SessionTest, CallBeforeContextIsFatal) {
  FeedPreamble(kSimplePreamble);
  ExpectFatal(Feed(NotFoundCall()), RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 0);
}

TEST_F(SessionTest, PingHasNoAnswer) {
  Establish();
  EXPECT_EQ(Feed(PingFrame()), Next::kContinue);
  EXPECT_TRUE(out_.empty());
}

TEST_F(SessionTest, WrongPreamblesAreRefused) {
  ExpectFatal(FeedPreamble("hrpc\x0a"), RpcErrorCode::kFatalVersionMismatch, kVersionMismatch, -1);
  EXPECT_THAT(text_, HasSubstr("client version 10"));
  ExpectFatal(FeedPreamble("SSH-"), RpcErrorCode::kFatalVersionMismatch, kVersionMismatch, -1);
  EXPECT_EQ(FeedPreamble("hrpc\x04"), Next::kClose);
  EXPECT_TRUE(out_.empty());
  ExpectFatal(FeedPreamble(absl::string_view("hrpc\x09\x00\x55", 7)),
              RpcErrorCode::kFatalUnauthorized, kIpcException, -1);
  EXPECT_EQ(FeedPreamble("GET / HTTP/1.1\r\n"), Next::kCloseAfterReply);
  EXPECT_THAT(std::string(out_.view()), HasSubstr("HTTP/1.1 404"));
}

TEST_F(SessionTest, BadHeadersAreFatal) {
  Establish();
  const auto feed = [&](RequestHeader header) {
    OutBuffer frame;
    EncodeControl(header, nullptr, &frame);
    return Feed(frame.view());
  };
  ExpectFatal(feed({.rpc_kind = 1, .rpc_op = 0, .call_id = 5}),
              RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 5);
  ExpectFatal(feed({.rpc_kind = 2, .rpc_op = 1, .call_id = 5}),
              RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 5);
  ExpectFatal(feed({.rpc_kind = 9, .rpc_op = 0, .call_id = 5}),
              RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 5);
  ExpectFatal(feed({.rpc_kind = 2, .rpc_op = 9, .call_id = 5}),
              RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 5);
  ExpectFatal(feed({.rpc_kind = 2, .rpc_op = 0, .call_id = -7}),
              RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, -7);
  ExpectFatal(feed({.rpc_kind = 2, .rpc_op = 0, .call_id = 5}),
              RpcErrorCode::kFatalDeserializingRequest, kRpcServerException, 5);
  ExpectFatal(Feed(Hex("00 00 00 02 05 00")), RpcErrorCode::kFatalDeserializingRequest,
              kRpcServerException, -1);
  ExpectFatal(Feed(Hex("00 00 00 00")), RpcErrorCode::kFatalDeserializingRequest,
              kRpcServerException, -1);
}

// What a call keeps while it waits comes from its header.
TEST_F(SessionTest, LongClientIdsAreFatalAndLongContextsAreCut) {
  Establish();
  const auto feed = [&](const RequestHeader& header) {
    OutBuffer frame;
    EncodeCall(header, {.method = "m", .protocol = kTestProtocol, .version = 1}, "", &frame);
    return Feed(frame.view());
  };
  const std::string long_id(kClientIdBytes + 1, 'i');
  const std::string context(kMaxCallerContextBytes + 1, 'c');
  RequestHeader header{.rpc_kind = 2, .rpc_op = 0, .call_id = 5};
  EXPECT_EQ(feed(header), Next::kCall) << "there may be no client id";
  header.client_id = absl::string_view(long_id).substr(1);
  header.caller_context = absl::string_view(context).substr(1);
  EXPECT_EQ(feed(header), Next::kCall);
  EXPECT_EQ(call_.header.client_id.size(), kClientIdBytes);
  EXPECT_EQ(call_.header.caller_context.size(), kMaxCallerContextBytes);

  header.caller_context = context;
  EXPECT_EQ(feed(header), Next::kCall);
  EXPECT_EQ(call_.header.caller_context.size(), kMaxCallerContextBytes);
  // Not within a character; what is no text is cut somewhere.
  const std::string euros = absl::StrCat(std::string(kMaxCallerContextBytes - 2, 'c'), "\u20ac!");
  header.caller_context = euros;
  EXPECT_EQ(feed(header), Next::kCall);
  EXPECT_EQ(call_.header.caller_context.size(), kMaxCallerContextBytes - 2);
  const std::string no_text(2 * kMaxCallerContextBytes, '\x80');
  header.caller_context = no_text;
  EXPECT_EQ(feed(header), Next::kCall);
  EXPECT_LE(call_.header.caller_context.size(), kMaxCallerContextBytes);
  header.caller_context = {};
  for (const size_t bytes : {size_t{1}, kClientIdBytes - 1, kClientIdBytes + 1}) {
    header.client_id = absl::string_view(long_id).substr(0, bytes);
    ExpectFatal(feed(header), RpcErrorCode::kFatalInvalidRpcHeader, kRpcServerException, 5);
    EXPECT_THAT(text_, HasSubstr("client id"));
    TestResponse response;
    ASSERT_TRUE(ParseResponse(out_.view().substr(kLengthBytes), &response));
    EXPECT_EQ(response.header.client_id, "") << "not echoed, however long it is";
  }
}

TEST_F(SessionTest, AHeaderHasALimitWhateverIsInIt) {
  Establish();
  const auto feed = [&](size_t unknown_field_bytes) {
    std::string header = Hex("08 02 10 00 18 0a 22 00 28 01 7a");  // and field 15
    char size[10];
    header.append(size, static_cast<size_t>(PutVarint(unknown_field_bytes, size) - size));
    header.append(unknown_field_bytes, 'x');
    std::string frame(kLengthBytes, '\0');  // which nobody reads here
    frame.append(size, static_cast<size_t>(PutVarint(header.size(), size) - size));
    frame += header + Hex("06 0a 00 12 00 18 01") + Hex("00");
    return Feed(frame);
  };
  constexpr size_t kOtherBytes = 11 + 3;
  EXPECT_EQ(feed(kMaxHeaderBytes - kOtherBytes), Next::kCall);
  ExpectFatal(feed(kMaxHeaderBytes - kOtherBytes + 1), RpcErrorCode::kFatalInvalidRpcHeader,
              kRpcServerException, -1);
}

TEST_F(SessionTest, UserIsTheShortName) {
  FeedPreamble(kSimplePreamble);
  EXPECT_EQ(FeedContext("alice/host.example@EXAMPLE.COM"), Next::kContinue);
  EXPECT_EQ(session_.principal().user, "alice");
}

TEST_F(SessionTest, NoUserIsFatal) {
  FeedPreamble(kSimplePreamble);
  for (const absl::string_view name : {"", "@REALM", "/host", "a\nb", "\xff"}) {
    ExpectFatal(FeedContext(name), RpcErrorCode::kFatalUnauthorized, kAccessControlException,
                kCallIdContext);
  }
  ExpectFatal(FeedContext(std::string(257, 'a')), RpcErrorCode::kFatalUnauthorized,
              kAccessControlException, kCallIdContext);
  EXPECT_FALSE(session_.established());
}

TEST_F(SessionTest, ImpersonationIsRefusedUnlessAllowed) {
  FeedPreamble(kSimplePreamble);
  ExpectFatal(FeedContext("alice", "oozie@R"), RpcErrorCode::kFatalUnauthorized,
              kAuthorizationException, kCallIdContext);
  EXPECT_EQ(text_, "User: oozie is not allowed to impersonate alice\n");

  proxy_check_ = [](absl::string_view real, absl::string_view effective, absl::string_view ip) {
    return real == "oozie" && effective == "alice" && ip == "127.0.0.1";
  };
  EXPECT_EQ(FeedContext("alice", "oozie"), Next::kContinue);
  EXPECT_EQ(session_.principal().user, "alice");
  EXPECT_EQ(session_.principal().real_user, "oozie");
}

TEST_F(SessionTest, ActingForOneselfIsNoImpersonation) {
  FeedPreamble(kSimplePreamble);
  EXPECT_EQ(FeedContext("alice", "alice@R"), Next::kContinue);
  EXPECT_EQ(session_.principal().real_user, "");
}

TEST_F(SessionTest, FrameLimitIsSmallUntilTheContext) {
  FeedPreamble(kSimplePreamble);
  EXPECT_EQ(session_.max_frame_bytes(kMaxRequestBytes), kMaxPreAuthBytes);
  Feed(ContextFrame());
  EXPECT_EQ(session_.max_frame_bytes(kMaxRequestBytes), kMaxRequestBytes);
}

}  // namespace
}  // namespace cairn::rpc
