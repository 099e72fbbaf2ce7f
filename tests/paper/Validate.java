import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Prints for each flavour and file: flavour, file, verdict, assertions made, failed rules. */
public class Validate {
  public static void main(String[] arguments) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    for (String name : arguments[0].split(",")) {
      PDFAFlavour flavour = PDFAFlavour.fromString(name);
      for (int at = 1; at < arguments.length; at++) {
        try (PDFAParser parser =
            Foundries.defaultInstance().createParser(new FileInputStream(arguments[at]), flavour)) {
          ValidationResult result =
              Foundries.defaultInstance().createValidator(flavour, false).validate(parser);
          StringBuilder failed = new StringBuilder();
          for (TestAssertion one : result.getTestAssertions()) {
            if (one.getStatus() == TestAssertion.Status.FAILED) {
              failed.append(one.getRuleId().getClause()).append('-')
                  .append(one.getRuleId().getTestNumber()).append(' ');
            }
          }
          System.out.println(String.join("\t", name, arguments[at],
              String.valueOf(result.isCompliant()),
              String.valueOf(result.getTotalAssertions()), failed.toString().trim()));
        }
      }
    }
  }
}
