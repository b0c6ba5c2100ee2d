// The lexer of KQL is visible to its own package alone.
package org.elasticsearch.xpack.kql.parser;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.antlr.v4.runtime.BaseErrorListener;
import org.antlr.v4.runtime.CharStreams;
import org.antlr.v4.runtime.CommonTokenStream;
import org.antlr.v4.runtime.RecognitionException;
import org.antlr.v4.runtime.Recognizer;
import org.elasticsearch.xpack.esql.parser.EsqlBaseLexer;
import org.elasticsearch.xpack.esql.parser.EsqlBaseParser;
import org.elasticsearch.xpack.esql.parser.EsqlConfig;

/** Reads queries and says of each whether the grammar takes it: see ql.sh. */
public final class QueryCheck {
    /** Keeps the first complaint. */
    private static final class Complaints extends BaseErrorListener {
        private String first;

        @Override
        public void syntaxError(
            Recognizer<?, ?> recognizer, Object symbol, int line, int column, String message, RecognitionException error
        ) {
            if (first == null) first = "line " + line + ", column " + (column + 1) + ": " + message.replaceAll("\\s+", " ");
        }
    }

    private static String ofEsql(String query) {
        Complaints complaints = new Complaints();
        // Not a development version: only what is released.
        EsqlConfig config = new EsqlConfig(false, null);
        EsqlBaseLexer lexer = listened(new EsqlBaseLexer(CharStreams.fromString(query)), complaints);
        configure(lexer, config);
        EsqlBaseParser parser = listened(new EsqlBaseParser(new CommonTokenStream(lexer)), complaints);
        configure(parser, config);
        parser.singleStatement();
        return complaints.first;
    }

    private static String ofKql(String query) {
        Complaints complaints = new Complaints();
        KqlBaseLexer lexer = listened(new KqlBaseLexer(CharStreams.fromString(query)), complaints);
        listened(new KqlBaseParser(new CommonTokenStream(lexer)), complaints).topLevelQuery();
        return complaints.first;
    }

    private static <Part extends Recognizer<?, ?>> Part listened(Part part, Complaints complaints) {
        part.removeErrorListeners();
        part.addErrorListener(complaints);
        return part;
    }

    /** The setter is in a class above, which is closed. */
    private static void configure(Object part, EsqlConfig config) {
        for (Class<?> type = part.getClass(); type != null; type = type.getSuperclass()) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().equals("setEsqlConfig") == false) continue;
                try {
                    method.setAccessible(true);
                    method.invoke(part, config);
                    return;
                } catch (ReflectiveOperationException error) {
                    throw new IllegalStateException(error);
                }
            }
        }
        throw new IllegalStateException("this version takes no configuration");
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.split(" ", 2);
            String query = new String(Base64.getDecoder().decode(parts[1]), StandardCharsets.UTF_8);
            String complaint = parts[0].equals("kql") ? ofKql(query) : ofEsql(query);
            System.out.println(complaint == null ? "ok" : "bad " + complaint);
        }
    }
}
