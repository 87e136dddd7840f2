#include "wire/rpc/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/hdfs/ipc.pb.h"
#include "wire/rpc/test_frames.h"
#include "wire/rpc/wire_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);  // frame_fuzz.cc

namespace cairn::rpc {
namespace {

std::string Response(const ResponseHeader& header, absl::string_view body) {
  OutBuffer out;
  EXPECT_TRUE(EncodeResponseBytes(header, body, kMaxResponseBytes, &out));
  return std::string(out.view());
}

TEST(PreambleTest, IsJudgedAsSoonAsItCanBe) {
  EXPECT_EQ(ScanPreamble("hrp"), Preamble::kIncomplete);
  EXPECT_EQ(ScanPreamble("hrpc"), Preamble::kIncomplete);
  EXPECT_EQ(ScanPreamble(kSimplePreamble.substr(0, 6)), Preamble::kIncomplete);
  EXPECT_EQ(ScanPreamble(kSimplePreamble), Preamble::kOk);
  EXPECT_EQ(ScanPreamble(kSaslPreamble), Preamble::kOk);
  EXPECT_EQ(ScanPreamble("GET "), Preamble::kHttpGet);
  EXPECT_EQ(ScanPreamble("SSH-"), Preamble::kNotHadoop);
  EXPECT_EQ(ScanPreamble("hrpc\x08"), Preamble::kOldVersion);
  EXPECT_EQ(ScanPreamble("hrpc\x0a"), Preamble::kOtherVersion);
}

TEST(FrameTest, LengthIsJudgedBeforeTheFrameHasArrived) {
  EXPECT_EQ(ScanFrame(Hex("00 00 00"), 100).result, FrameScan::kIncomplete);
  EXPECT_EQ(ScanFrame(Hex("00 00 00"), 100).bytes, kLengthBytes);
  EXPECT_EQ(ScanFrame(Hex("00 00 00 64"), 100).result, FrameScan::kIncomplete);
  EXPECT_EQ(ScanFrame(Hex("00 00 00 64"), 100).bytes, 104u);
  EXPECT_EQ(ScanFrame(Hex("00 00 00 65"), 100).result, FrameScan::kTooLong);
  EXPECT_EQ(ScanFrame(Hex("04 00 00 00"), kMaxRequestBytes).result, FrameScan::kIncomplete);
  EXPECT_EQ(ScanFrame(Hex("04 00 00 01"), kMaxRequestBytes).result, FrameScan::kTooLong);
  EXPECT_EQ(ScanFrame(Hex("80 00 00 00"), kMaxRequestBytes).result, FrameScan::kTooLong);
  EXPECT_EQ(ScanFrame(Hex("ff ff ff ff"), kMaxRequestBytes).result, FrameScan::kTooLong);
  EXPECT_EQ(ScanFrame(Hex("00 00 00 00"), 100).result, FrameScan::kComplete);
}

TEST(FrameTest, WorkedRequestBytesAreRead) {
  const std::string frame = NotFoundCall();
  ASSERT_EQ(frame.size(), 100u);
  ASSERT_EQ(ScanFrame(frame, kMaxRequestBytes).result, FrameScan::kComplete);
  absl::string_view rest = absl::string_view(frame).substr(kLengthBytes);
  absl::string_view part;
  RequestHeader header;
  ASSERT_TRUE(TakeDelimited(&rest, &part));
  ASSERT_TRUE(ParseRequestHeader(part, &header));
  EXPECT_EQ(header.rpc_kind, kRpcKindProtobuf);
  EXPECT_EQ(header.rpc_op, kRpcOpFinalPacket);
  EXPECT_EQ(header.call_id, 0);
  EXPECT_EQ(header.client_id, TestClientId());
  EXPECT_EQ(header.retry_count, 0);
  MethodHeader method;
  ASSERT_TRUE(TakeDelimited(&rest, &part));
  ASSERT_TRUE(ParseMethodHeader(part, &method));
  EXPECT_EQ(method.method, "getFileInfo");
  EXPECT_EQ(method.protocol, kTestProtocol);
  EXPECT_EQ(method.version, 1u);
  ASSERT_TRUE(TakeDelimited(&rest, &part));
  EXPECT_EQ(part, Hex("0a 02 2f 78"));
  EXPECT_TRUE(rest.empty());
}

TEST(FrameTest, WorkedRequestBytesAreWritten) {
  EXPECT_EQ(CallFrame(0, "getFileInfo", Hex("0a 02 2f 78")), NotFoundCall());
  EXPECT_EQ(ContextFrame().size(), 89u);

  const std::string client_id = TestClientId();
  RequestHeader header{.rpc_kind = 2, .rpc_op = 0, .call_id = kCallIdPing, .client_id = client_id};
  OutBuffer out;
  EncodeControl(header, nullptr, &out);
  EXPECT_EQ(out.view(), PingFrame());

  out.Clear();
  header.call_id = kCallIdContext;
  hdfs::IpcConnectionContextProto context;
  context.mutable_userinfo()->set_effectiveuser("alice");
  context.set_protocol(std::string(kTestProtocol));
  EncodeControl(header, &context, &out);
  EXPECT_EQ(out.view(), ContextFrame());

  out.Clear();
  header.call_id = kCallIdSasl;
  header.client_id = {};
  hdfs::RpcSaslProto negotiate;
  negotiate.set_state(hdfs::RpcSaslProto::NEGOTIATE);
  EncodeControl(header, &negotiate, &out);
  EXPECT_EQ(out.view(), NegotiateFrame());

  out.Clear();
  EncodePreamble(AuthByte::kNone, &out);
  EXPECT_EQ(out.view(), kSimplePreamble);
}

TEST(FrameTest, WorkedResponseBytesAreWritten) {
  const std::string client_id = TestClientId();
  ResponseHeader header{.call_id = 0, .client_id = client_id, .retry_count = 0};
  EXPECT_EQ(Response(header, ""),
            Hex("00 00 00 1c 1a 08 00 10 00 18 09 3a 10") + client_id + Hex("40 00 00"));

  header.status = RpcStatus::kError;
  header.exception_class = "java.io.FileNotFoundException";
  header.error_message = "File does not exist: /x";
  header.error_code = RpcErrorCode::kApplication;
  OutBuffer out;
  EncodeErrorResponse(header, &out);
  EXPECT_EQ(out.view(), Hex("00 00 00 55 54 08 00 10 01 18 09 22 1d") +
                            "java.io.FileNotFoundException" + Hex("2a 17") +
                            "File does not exist: /x" + Hex("30 01 3a 10") + client_id +
                            Hex("40 00"));

  ResponseHeader sasl{.call_id = kCallIdSasl};
  EXPECT_EQ(Response(sasl, Hex("10 00")), SaslSuccessAnswer());
}

TEST(FrameTest, ResponseOverTheLimitWritesNothing) {
  OutBuffer out;
  out.Append("before");
  EXPECT_FALSE(EncodeResponseBytes({}, std::string(100, 'x'), 100, &out));
  EXPECT_EQ(out.view(), "before");
}

TEST(FrameTest, EmptyMessageIsOneZeroByte) {
  OutBuffer out;
  hdfs::RPCTraceInfoProto empty;
  ASSERT_TRUE(EncodeResponse({.call_id = 7}, empty, kMaxResponseBytes, &out));
  TestResponse response;
  ASSERT_TRUE(ParseResponse(out.view().substr(kLengthBytes), &response));
  EXPECT_EQ(response.body, absl::string_view("\0", 1));
}

TEST(FrameTest, RequiredFieldsAreRequired) {
  RequestHeader header;
  EXPECT_FALSE(ParseRequestHeader("", &header));
  EXPECT_FALSE(ParseRequestHeader(Hex("18 00"), &header));  // no client id
  EXPECT_FALSE(ParseRequestHeader(Hex("22 00"), &header));  // no call id
  EXPECT_TRUE(ParseRequestHeader(Hex("18 00 22 00"), &header));
  EXPECT_EQ(header.rpc_kind, -1);
  EXPECT_EQ(header.rpc_op, -1);
  EXPECT_EQ(header.retry_count, -1);
  MethodHeader method;
  EXPECT_FALSE(ParseMethodHeader(Hex("0a 00 12 00"), &method));
  EXPECT_TRUE(ParseMethodHeader(Hex("0a 00 12 00 18 01"), &method));
}

TEST(FrameTest, UnknownFieldsAndGroupsAreSkipped) {
  RequestHeader header;
  const std::string required = Hex("18 02 22 00");
  EXPECT_TRUE(ParseRequestHeader(required + Hex("f8 3f 05 fa 3f 01 41 fd 3f 00000000"), &header));
  EXPECT_TRUE(ParseRequestHeader(required + Hex("f9 3f 0000000000000000"), &header));
  EXPECT_TRUE(ParseRequestHeader(required + Hex("7b 08 01 7c"), &header));
  EXPECT_FALSE(ParseRequestHeader(required + Hex("7b 08 01"), &header));     // group not ended
  EXPECT_FALSE(ParseRequestHeader(required + Hex("7b 08 01 74"), &header));  // another one ended
  EXPECT_FALSE(ParseRequestHeader(required + Hex("7c"), &header));
  EXPECT_FALSE(ParseRequestHeader(required + Hex("00"), &header));  // field 0
  EXPECT_FALSE(ParseRequestHeader(required + Hex("7e"), &header));  // wire type 6
  EXPECT_EQ(header.call_id, 1);
}

TEST(FrameTest, DeepNestingCostsNoStack) {
  RequestHeader header;
  const std::string deep(1 << 20, '\x7b');
  EXPECT_FALSE(ParseRequestHeader(Hex("18 02 22 00") + deep, &header));
}

TEST(FrameTest, LengthsBeyondTheEndAreRefused) {
  absl::string_view message;
  std::string bytes = Hex("05 01 02 03 04");
  absl::string_view input = bytes;
  EXPECT_FALSE(TakeDelimited(&input, &message));
  EXPECT_EQ(input.size(), 5u);
  bytes = Hex("ff ff ff ff ff ff ff ff ff 01 00");
  input = bytes;
  EXPECT_FALSE(TakeDelimited(&input, &message));
  bytes = Hex("80 80 80 80 80 80 80 80 80 80 01");  // eleven bytes
  input = bytes;
  EXPECT_FALSE(TakeDelimited(&input, &message));
}

// Our coder and protobuf's agree on random headers, both ways.
TEST(FrameTest, RequestHeaderAgreesWithProtobuf) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  for (int i = 0; i < 2000; ++i) {
    hdfs::RpcRequestHeaderProto theirs;
    const std::string client_id(random() % 40, static_cast<char>(random()));
    theirs.set_rpckind(static_cast<hdfs::RpcKindProto>(random() % 3));
    theirs.set_rpcop(static_cast<hdfs::RpcRequestHeaderProto::OperationProto>(random() % 3));
    theirs.set_callid(static_cast<int32_t>(random() >> (random() % 64)));
    theirs.set_clientid(client_id);
    theirs.set_retrycount(static_cast<int32_t>(random() >> (random() % 64)));
    if (random() % 2 == 0) theirs.mutable_callercontext()->set_context("SPARK_1");

    RequestHeader ours;
    const std::string bytes = theirs.SerializeAsString();
    ASSERT_TRUE(ParseRequestHeader(bytes, &ours));
    EXPECT_EQ(ours.rpc_kind, theirs.rpckind());
    EXPECT_EQ(ours.rpc_op, theirs.rpcop());
    EXPECT_EQ(ours.call_id, theirs.callid());
    EXPECT_EQ(ours.client_id, theirs.clientid());
    EXPECT_EQ(ours.retry_count, theirs.retrycount());
    EXPECT_EQ(ours.caller_context, theirs.callercontext().context());

    OutBuffer out;
    EncodeControl(ours, nullptr, &out);
    absl::string_view rest = out.view().substr(kLengthBytes);
    absl::string_view again;
    ASSERT_TRUE(TakeDelimited(&rest, &again));
    EXPECT_EQ(again, bytes);
  }
}

TEST(FrameTest, ResponseHeaderAgreesWithProtobuf) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  constexpr RpcErrorCode kCodes[] = {RpcErrorCode::kApplication, RpcErrorCode::kNoSuchMethod,
                                     RpcErrorCode::kFatalUnauthorized};
  for (int i = 0; i < 2000; ++i) {
    const std::string client_id(random() % 40, 'c');
    const std::string text(random() % 300, 't');
    ResponseHeader ours{.call_id = static_cast<int32_t>(random() >> (random() % 64)),
                        .status = static_cast<RpcStatus>(random() % 3),
                        .client_id = client_id,
                        .retry_count = static_cast<int32_t>(random() >> (random() % 64))};
    OutBuffer out;
    if (ours.status == RpcStatus::kSuccess) {
      ASSERT_TRUE(EncodeResponseBytes(ours, text, kMaxResponseBytes, &out));
    } else {
      ours.exception_class = "java.io.IOException";
      ours.error_message = text;
      ours.error_code = kCodes[random() % 3];
      EncodeErrorResponse(ours, &out);
    }
    absl::string_view rest = out.view().substr(kLengthBytes);
    absl::string_view bytes;
    ASSERT_TRUE(TakeDelimited(&rest, &bytes));
    hdfs::RpcResponseHeaderProto theirs;
    ASSERT_TRUE(theirs.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    EXPECT_EQ(theirs.SerializeAsString(), bytes);
    EXPECT_EQ(theirs.callid(), static_cast<uint32_t>(ours.call_id));
    EXPECT_EQ(theirs.serveripcversionnum(), 9u);
    EXPECT_EQ(theirs.errormsg(), ours.error_message);

    ResponseHeader again;
    ASSERT_TRUE(ParseResponseHeader(bytes, &again));
    EXPECT_EQ(again.call_id, ours.call_id);
    EXPECT_EQ(again.status, ours.status);
    EXPECT_EQ(again.client_id, ours.client_id);
    EXPECT_EQ(again.retry_count, ours.retry_count);
    EXPECT_EQ(again.exception_class, ours.exception_class);
    EXPECT_EQ(again.error_code, ours.error_code);
  }
}

// What protobuf accepts, we accept with the same values; damage never reads beyond the end (asan).
TEST(FrameTest, DamagedHeadersAreJudgedAsProtobufDoes) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  const std::string good =
      Hex("08 02 10 00 18 05 22 10") + TestClientId() + Hex("28 01 3a 05 0a 03") + "abc";
  const google::protobuf::LogSilencer quiet;  // it reports text that is not UTF-8
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = good;
    for (uint64_t flips = random() % 4 + 1; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    hdfs::RpcRequestHeaderProto theirs;
    RequestHeader ours;
    const bool we = ParseRequestHeader(bytes, &ours);
    if (!theirs.ParsePartialFromString(bytes) || !theirs.IsInitialized()) continue;
    ++accepted;
    ASSERT_TRUE(we) << absl::BytesToHexString(bytes);
    EXPECT_EQ(ours.rpc_kind, theirs.has_rpckind() ? theirs.rpckind() : -1);
    EXPECT_EQ(ours.rpc_op, theirs.has_rpcop() ? theirs.rpcop() : -1);
    EXPECT_EQ(ours.call_id, theirs.callid());
    EXPECT_EQ(ours.client_id, theirs.clientid());
    EXPECT_EQ(ours.retry_count, theirs.retrycount());
  }
  EXPECT_GT(accepted, 1000);
}

// The fuzz target from its seeds, for builds without libFuzzer.
TEST(FrameTest, FuzzTargetAcceptsItsSeedsAndTheirMutations) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  const std::string seeds[] = {
      absl::StrCat(kSimplePreamble, ContextFrame(), NotFoundCall(), PingFrame()),
      absl::StrCat(kSaslPreamble, NegotiateFrame(), ContextFrame(), NotFoundCall()),
      SaslSuccessAnswer().substr(kLengthBytes + 1, 14),
      NotFoundCall().substr(kLengthBytes + 1, 26),
      NotFoundCall().substr(kLengthBytes + 28, 63),
  };
  for (const std::string& seed : seeds) {
    for (int i = 0; i < 10'000; ++i) {
      std::string input = seed;
      for (int flips = i % 4; flips > 0; --flips) {
        input[random() % input.size()] = static_cast<char>(random());
      }
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
    }
  }
}

TEST(OutBufferTest, GrowsAtTheEndAndShrinksAtTheFront) {
  OutBuffer buffer;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<size_t>(i % 97), static_cast<char>('a' + i % 26));
    buffer.Append(piece);
    expected += piece;
    const size_t drop = std::min<size_t>(static_cast<size_t>(i % 89), expected.size());
    buffer.RemovePrefix(drop);
    expected.erase(0, drop);
    ASSERT_EQ(buffer.view(), expected);
  }
  buffer.Shrink(0);
  EXPECT_EQ(buffer.view(), expected);
  buffer.Clear();
  buffer.Shrink(0);
  EXPECT_EQ(buffer.capacity(), 0u);
}

}  // namespace
}  // namespace cairn::rpc
