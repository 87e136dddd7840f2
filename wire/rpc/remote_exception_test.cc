#include "wire/rpc/remote_exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::rpc {
namespace {

using testing::HasSubstr;

TEST(RemoteExceptionTest, EveryFsErrorSurvivesTheWire) {
  for (int i = 1; i <= static_cast<int>(FsError::kNoErasurePolicySet); ++i) {
    const auto error = static_cast<FsError>(i);
    const RemoteException sent = ToRemoteException(MakeFsError(error, "why"));
    const absl::Status received = FromRemoteException(sent.class_name, sent.text);
    EXPECT_THAT(received, IsFsError(error)) << sent.class_name;
    EXPECT_EQ(received.message(), "why");
  }
}

TEST(RemoteExceptionTest, ClassNamesAreExact) {
  const auto class_of = [](FsError error) {
    return ToRemoteException(MakeFsError(error, "")).class_name;
  };
  EXPECT_EQ(class_of(FsError::kFileNotFound), "java.io.FileNotFoundException");
  EXPECT_EQ(class_of(FsError::kNameTooLong),
            "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException");
  EXPECT_EQ(class_of(FsError::kInvalidToken),
            "org.apache.hadoop.security.token.SecretManager$InvalidToken");
  EXPECT_EQ(class_of(FsError::kSafeMode),
            "org.apache.hadoop.hdfs.server.namenode.SafeModeException");
}

TEST(RemoteExceptionTest, ErrorCodesOfTheRpcLayer) {
  EXPECT_EQ(ToRemoteException(MakeFsError(FsError::kNoSuchMethod, "")).code,
            RpcErrorCode::kNoSuchMethod);
  EXPECT_EQ(ToRemoteException(MakeFsError(FsError::kNoSuchProtocol, "")).code,
            RpcErrorCode::kNoSuchProtocol);
  EXPECT_EQ(ToRemoteException(MakeFsError(FsError::kStandby, "")).code, RpcErrorCode::kApplication);
}

TEST(RemoteExceptionTest, StatusWithoutFsErrorIsJudgedByItsCode) {
  EXPECT_EQ(ToRemoteException(absl::NotFoundError("x")).class_name,
            "java.io.FileNotFoundException");
  EXPECT_EQ(ToRemoteException(absl::UnavailableError("x")).class_name,
            "org.apache.hadoop.ipc.RetriableException");
  EXPECT_EQ(ToRemoteException(absl::DataLossError("x")).class_name, "java.io.IOException");
}

TEST(RemoteExceptionTest, TextIsMessageAndNewlineInUtf8) {
  EXPECT_EQ(ToRemoteException(absl::NotFoundError("File does not exist: /x")).text,
            "File does not exist: /x\n");
  EXPECT_EQ(ToRemoteException(absl::NotFoundError("a\xff\xc3\xa9\xed\xa0\x80z")).text,
            "a?\xc3\xa9???z\n");
  EXPECT_EQ(ToRemoteException(absl::NotFoundError(std::string(1 << 20, 'x'))).text.size(),
            kMaxErrorTextBytes + 1);
}

TEST(RemoteExceptionTest, JavaStackTraceAndClassPrefixAreDropped) {
  const absl::Status status = FromRemoteException(
      "java.io.FileNotFoundException",
      "java.io.FileNotFoundException: File does not exist: /x\n\tat a.b.C(D.java:1)\n\tat e\n");
  EXPECT_THAT(status, IsFsError(FsError::kFileNotFound));
  EXPECT_EQ(status.message(), "File does not exist: /x");
}

TEST(RemoteExceptionTest, UnknownClassKeepsItsName) {
  const absl::Status status = FromRemoteException("com.example.OddException", "why\n");
  EXPECT_THAT(status, IsFsError(FsError::kIo));
  EXPECT_EQ(status.message(), "com.example.OddException: why");
  EXPECT_THAT(FromRemoteException("", "").message(), HasSubstr(""));
}

}  // namespace
}  // namespace cairn::rpc
