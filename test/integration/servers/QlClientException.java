package org.elasticsearch.xpack.esql.core;

/** Stands in for a class of a module that is not published, so that the parsers' classes can be loaded. Nothing here throws it. */
public abstract class QlClientException extends RuntimeException {
    protected QlClientException(String message, Object... arguments) {
        super(message);
    }

    protected QlClientException(Throwable cause, String message, Object... arguments) {
        super(message, cause);
    }

    protected QlClientException(String message, Throwable cause) {
        super(message, cause);
    }
}
